"""Builds the packages' wheels, reads what is in them, and runs the client's where no other of ours is installed."""

import ast
import os
import re
import shutil
import subprocess
import sys
import zipfile
from email.parser import HeaderParser
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = Path(__file__).parent / "programs"
MEGABYTE = 1_000_000
IMPORT_NAMES = {
    "client": "cryptable_client",
    "dev": "cryptable",
    "engine": "cryptable_engine",
    "protocol": "cryptable_protocol",
    "server": "cryptable_server",
}
FORBIDDEN_REQUIREMENTS = {
    "client": {"concrete-python", "cryptable", "cryptable-engine", "cryptable-server", "scikit-learn", "torch"},
    "dev": {"concrete-python", "torch", "xgboost"},
    "engine": {"cryptable", "cryptable-client", "cryptable-server", "grpcio", "scikit-learn", "torch"},
    "protocol": {"concrete-python", "grpcio", "scikit-learn", "torch"},
    "server": {"cryptable", "cryptable-client", "scikit-learn", "torch"},
}
GRPC_OF_PROTOCOL = {"protocol": {"grpc"}}
"""`cryptable_protocol.service` is for those who speak gRPC, and they require grpcio themselves."""
PACKAGES = pytest.mark.parametrize("package", sorted(IMPORT_NAMES))


def uv(*arguments, **options):
    """Run uv, which is on the path or was put into the environment by tools/setup.sh."""
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    program = shutil.which("uv", path=places)
    assert program, "uv is missing: run `make setup`"
    return subprocess.run([program, *arguments], cwd=ROOT, capture_output=True, text=True, **options)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    """Package folder name → path of its wheel, built through its source distribution as a release is."""
    folder = tmp_path_factory.mktemp("wheels")
    built = uv("build", "--all-packages", "--out-dir", folder)
    assert built.returncode == 0, built.stderr
    return {package: next(folder.glob(f"{name}-*.whl")) for package, name in IMPORT_NAMES.items()}


def metadata_of(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return HeaderParser().parsestr(archive.read(name).decode())


def requirements_of(wheel):
    """Names of what a wheel needs whatever the extras, lower case."""
    lines = metadata_of(wheel).get_all("Requires-Dist") or []
    return {re.match(r"[\w.-]+", line)[0].lower() for line in lines if "extra ==" not in line}


@PACKAGES
def test_wheel_holds_the_package_and_nothing_else(wheels, package):
    name = IMPORT_NAMES[package]
    with zipfile.ZipFile(wheels[package]) as archive:
        names = archive.namelist()
    source = ROOT / "packages" / package / "src"
    list_files = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(list_files, cwd=source, check=True, capture_output=True, text=True).stdout
    expected = {path for path in listing.splitlines() if (source / path).is_file()}
    assert {path for path in names if ".dist-info/" not in path} == expected
    assert f"{name}/py.typed" in names


@PACKAGES
def test_wheel_carries_the_licence(wheels, package):
    with zipfile.ZipFile(wheels[package]) as archive:
        (licence,) = [name for name in archive.namelist() if name.endswith("/licenses/LICENSE")]
        assert archive.read(licence) == (ROOT / "LICENSE").read_bytes()
    assert metadata_of(wheels[package])["License-Expression"] == "Apache-2.0"


@PACKAGES
def test_wheel_is_pure_python_and_described(wheels, package):
    assert wheels[package].name.endswith("-py3-none-any.whl")
    described = metadata_of(wheels[package])
    assert described["Summary"]
    assert described.get_payload().strip() == (ROOT / "packages" / package / "README.md").read_text().strip()


@PACKAGES
def test_wheel_requires_no_foreign_library(wheels, package):
    requirements = requirements_of(wheels[package])
    assert "numpy" in requirements
    assert not requirements & FORBIDDEN_REQUIREMENTS[package]


def imports_of(package):
    """Top-level modules that the package's code imports, wherever it does, but for the standard library and itself."""
    found = set()
    for path in (ROOT / "packages" / package / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.partition(".")[0])
    return found - sys.stdlib_module_names - {IMPORT_NAMES[package]}


def normalised(name):
    """A distribution's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


@PACKAGES
def test_wheel_requires_what_it_imports(wheels, package):
    lines = metadata_of(wheels[package]).get_all("Requires-Dist")
    required = {normalised(re.match(r"[\w.-]+", line)[0]) for line in lines}
    homes = metadata.packages_distributions()
    imports = imports_of(package)
    assert imports
    undeclared = {name for name in imports if not required & {normalised(home) for home in homes.get(name, [name])}}
    assert undeclared == GRPC_OF_PROTOCOL.get(package, set())


def test_packages_share_one_version(wheels):
    assert len({metadata_of(wheel)["Version"] for wheel in wheels.values()}) == 1


def test_engine_says_which_setuptools_concrete_needs(wheels):
    lines = metadata_of(wheels["engine"]).get_all("Requires-Dist")
    assert "setuptools<81" in lines


def install(wheels, package, *options):
    """Run `uv pip install` for one of our wheels, from uv's cache where that has all it takes."""
    arguments = ["pip", "install", "--no-config", "--constraints", "tools/constraints.txt", *options]
    arguments += ["--find-links", wheels[package].parent, wheels[package]]
    done = uv(*arguments, "--offline")
    return done if done.returncode == 0 else uv(*arguments)


def test_server_installs_without_torch(wheels, tmp_path):
    assert any(line.startswith("torch") for line in metadata.requires("concrete-python"))
    assert uv("venv", "--python", sys.executable, tmp_path / "venv").returncode == 0
    options = ["--python", tmp_path / "venv", "--overrides", "packages/engine/overrides.txt", "--dry-run"]
    done = install(wheels, "server", *options)
    assert done.returncode == 0, done.stderr
    installed = {line.split()[1].split("==")[0] for line in done.stderr.splitlines() if line.startswith(" + ")}
    assert {"concrete-python", "cryptable-engine", "cryptable-server"} <= installed
    assert not installed & {"networkx", "scipy", "torch", "z3-solver"}


def test_the_servers_image_installs_without_torch(tmp_path):
    """The Dockerfile's own command, as far as it can be run where there is no Docker: what would be installed."""
    text = (ROOT / "packages/server/deploy/Dockerfile").read_text().replace("\\\n", " ")
    (command,) = re.findall(r"/opt/uv/bin/uv (pip install .*)", text)
    assert "--python /opt/cryptable-server" in command
    assert uv("venv", "--python", sys.executable, tmp_path / "venv").returncode == 0
    arguments = command.replace("/opt/cryptable-server", str(tmp_path / "venv")).replace("--no-cache", "").split()
    done = uv(*arguments, "--dry-run", "--offline")
    if done.returncode:
        done = uv(*arguments, "--dry-run")
    assert done.returncode == 0, done.stderr
    installed = {line.split()[1].split("==")[0] for line in done.stderr.splitlines() if line.startswith(" + ")}
    assert {"cryptable-engine", "cryptable-protocol", "cryptable-server", "concrete-python", "grpcio"} <= installed
    assert not installed & {"cryptable", "cryptable-client", "networkx", "scikit-learn", "scipy", "torch", "z3-solver"}


@pytest.fixture(scope="module")
def client_environment(wheels, tmp_path_factory):
    """Folder of a virtual environment into which only the client was installed, with what it asks for."""
    folder = tmp_path_factory.mktemp("client") / "venv"
    assert uv("venv", "--python", sys.executable, folder).returncode == 0
    done = install(wheels, "client", "--python", folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_client_installs_small_and_alone(client_environment):
    (site_packages,) = client_environment.glob("lib/python*/site-packages")
    ours = {path.name for path in site_packages.glob("cryptable*") if not path.name.endswith(".dist-info")}
    assert ours == {"cryptable_client", "cryptable_protocol"}
    size = sum(path.stat().st_size for path in site_packages.rglob("*") if path.is_file())
    assert size <= 110 * MEGABYTE, f"{size / MEGABYTE:.0f} MB installed"


def test_client_encrypts_where_it_is_all_there_is(client_environment, tmp_path):
    program = [client_environment / "bin" / "python", "-I", PROGRAMS / "client_encrypts.py"]
    done = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120)
    assert done.returncode == 0, done.stderr
