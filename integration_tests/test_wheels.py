"""Builds the packages' wheels, reads what is in them, and runs each where nothing is but what it asks for."""

import ast
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from email.parser import HeaderParser
from functools import cache
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
    "kernel": "cryptable_kernel",
    "protocol": "cryptable_protocol",
    "server": "cryptable_server",
}
FORBIDDEN_REQUIREMENTS = {
    "client": {"concrete-python", "cryptable", "cryptable-engine", "cryptable-server", "scikit-learn", "torch"},
    "dev": {"concrete-python", "torch", "xgboost"},
    "engine": {
        "concrete-python",
        "cryptable",
        "cryptable-client",
        "cryptable-server",
        "grpcio",
        "scikit-learn",
        "torch",
    },
    "kernel": {"concrete-python", "cryptable-engine", "cryptable-protocol", "grpcio", "protobuf", "scipy"},
    "protocol": {"concrete-python", "cryptable-kernel", "grpcio", "scikit-learn", "torch"},
    "server": {"concrete-python", "cryptable", "cryptable-client", "scikit-learn", "torch"},
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
    if package == "kernel" and shutil.which("cc"):
        expected |= {"cryptable_kernel/_kernel.json", "cryptable_kernel/_kernel.so"}
    assert {path for path in names if ".dist-info/" not in path} == expected
    assert f"{name}/py.typed" in names


@PACKAGES
def test_wheel_knows_no_scheme_without_encryption(wheels, package):
    """The scheme `clear` is of tests alone, and no message has a field for it."""
    with zipfile.ZipFile(wheels[package]) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    protos = {str(path): path.read_bytes() for path in (ROOT / "protos").rglob("*.proto")}
    assert protos
    modules = {path.stem for path in ROOT.glob("packages/*/tests/support/clear_*.py")}
    assert len(modules) >= 4
    words = [*modules, "schemes/clear", "schemes.clear", "ClearParameters", "ClearScheme", "CLEAR =", "message Clear"]
    traces = re.compile("|".join(map(re.escape, words)).encode())
    for name, content in {**files, **protos}.items():
        found = traces.search(name.encode() + content)
        assert found is None, (name, found)


@PACKAGES
def test_wheel_carries_the_licence(wheels, package):
    with zipfile.ZipFile(wheels[package]) as archive:
        (licence,) = [name for name in archive.namelist() if name.endswith("/licenses/LICENSE")]
        assert archive.read(licence) == (ROOT / "LICENSE").read_bytes()
    assert metadata_of(wheels[package])["License-Expression"] == "Apache-2.0"


@PACKAGES
def test_wheel_has_its_bill_of_materials(wheels, package):
    with zipfile.ZipFile(wheels[package]) as archive:
        (bill,) = [name for name in archive.namelist() if ".dist-info/sboms/" in name]
        assert archive.read(bill) == (ROOT / "packages" / package / "sbom.cdx.json").read_bytes()
        named = json.loads(archive.read(bill))["metadata"]["component"]
    described = metadata_of(wheels[package])
    assert (named["name"], named["version"]) == (described["Name"], described["Version"])


@PACKAGES
def test_wheel_is_for_every_python_and_described(wheels, package):
    is_pure = package != "kernel" or not shutil.which("cc")
    assert wheels[package].name.endswith("-py3-none-any.whl") == is_pure
    assert "-py3-none-" in wheels[package].name
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


@cache
def homes_of_modules():
    """Distributions by the top-level modules that they have."""
    return metadata.packages_distributions()


def normalised(name):
    """A distribution's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


@PACKAGES
def test_wheel_requires_what_it_imports(wheels, package):
    lines = metadata_of(wheels[package]).get_all("Requires-Dist")
    required = {normalised(re.match(r"[\w.-]+", line)[0]) for line in lines}
    homes = homes_of_modules()
    imports = imports_of(package)
    assert imports
    undeclared = {name for name in imports if not required & {normalised(home) for home in homes.get(name, [name])}}
    assert undeclared == GRPC_OF_PROTOCOL.get(package, set())


def test_packages_share_one_version(wheels):
    assert len({metadata_of(wheel)["Version"] for wheel in wheels.values()}) == 1


def test_engine_says_which_setuptools_concrete_needs(wheels):
    lines = metadata_of(wheels["engine"]).get_all("Requires-Dist")
    assert any(line.startswith("setuptools<81;") and "concrete" in line for line in lines)


SMOKE = {
    "client": ["client_encrypts.py"],
    "dev": ["dev_compiles.py"],
    "engine": ["engine_evaluates.py"],
    "kernel": ["kernel_multiplies.py", *(["native"] if shutil.which("cc") else [])],
    "protocol": ["protocol_encodes.py"],
    "server": ["server_serves.py", "stub_lists_models.py"],
}
EXTRAS = {"dev": "[networks]", "engine": "[concrete]", "server": "[bootstrapping]"}
"""concrete-python, by the extra's name and by those that it had."""
NEVER = {
    "dev": ("networkx", "torch", "z3-solver"),
    "engine": ("networkx", "scipy", "torch", "z3-solver"),
    "server": ("networkx", "scipy", "torch", "z3-solver"),
}
"""What concrete-python declares and these packages do without; pip would fetch them."""


def test_the_servers_image_installs_without_concrete_and_torch(tmp_path):
    """The Dockerfile's own command, as far as it can be run where there is no Docker: what would be installed."""
    text = (ROOT / "packages/server/deploy/Dockerfile").read_text().replace("\\\n", " ")
    (command,) = re.findall(r"/opt/uv/bin/uv (pip install .*)", text)
    assert "--python /opt/cryptable-server" in command
    assert uv("venv", "--python", sys.executable, tmp_path / "venv").returncode == 0
    arguments = shlex.split(command.replace("/opt/cryptable-server", str(tmp_path / "venv")).replace("--no-cache", ""))
    done = uv(*arguments, "--dry-run", "--offline")
    if done.returncode:
        done = uv(*arguments, "--dry-run")
    assert done.returncode == 0, done.stderr
    installed = {line.split()[1].split("==")[0] for line in done.stderr.splitlines() if line.startswith(" + ")}
    assert {"cryptable-engine", "cryptable-protocol", "cryptable-server", "grpcio"} <= installed
    not_in_it = {"concrete-python", "cryptable", "cryptable-client", "networkx", "scikit-learn", "scipy", "torch"}
    assert not installed & not_in_it
    bill = json.loads((ROOT / "packages/server/deploy/sbom.cdx.json").read_text(encoding="utf-8"))
    assert installed == {each["name"] for each in bill["components"] if each["type"] == "library"}


@pytest.fixture(scope="module")
def environments(wheels, tmp_path_factory):
    """Makes an environment that holds one of our wheels and what it asks for: function from package folder names.

    Plain pip installs the client, and protocol with it. The others take uv, which is quicker, and can leave out what
    concrete-python declares: some gigabytes.
    """
    made = {}

    def environment(package):
        if package not in made:
            folder = tmp_path_factory.mktemp(package) / "venv"
            wheel = wheels[package]
            options = [
                "--constraint",
                ROOT / "tools/constraints.txt",
                "--find-links",
                wheel.parent,
                f"{wheel}{EXTRAS.get(package, '')}",
            ]
            if package != "client":
                overrides = folder.with_name("overrides.txt")
                overrides.write_text("".join(f'{name}; sys_platform == "never"\n' for name in NEVER.get(package, ())))
                assert uv("venv", "--no-project", "--python", sys.executable, folder).returncode == 0
                command = ["pip", "install", "--no-config", "--python", folder, "--override", overrides, *options]
                done = uv(*command, "--offline")
                done = done if done.returncode == 0 else uv(*command)
            else:
                subprocess.run([sys.executable, "-m", "venv", folder], check=True)
                command = [folder / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
                done = subprocess.run([*command, *options], capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            made[package] = folder
        return made[package]

    return environment


def site_packages_of(environment):
    (folder,) = environment.glob("lib/python*/site-packages")
    return folder


def names_in(environment):
    return {path.name.partition("-")[0] for path in site_packages_of(environment).glob("*.dist-info")}


@PACKAGES
def test_wheel_works_where_it_is_installed_alone(environments, package, tmp_path):
    environment = environments(package)
    program, *arguments = SMOKE[package]
    (tmp_path / "home").mkdir()
    done = subprocess.run(
        [environment / "bin/python", "-I", "-W", "ignore", PROGRAMS / program, *arguments],
        cwd=tmp_path,
        env={**os.environ, "HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr


def test_without_a_compiler_the_kernel_is_pure_python(tmp_path):
    """From its source distribution, as pip would install it where there is no wheel for a machine."""
    done = uv(
        *("build", "--wheel", "--out-dir", tmp_path, ROOT / "packages/kernel"),
        env={**os.environ, "CC": str(tmp_path / "there-is-none")},
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "unpacked")
    places = [str(tmp_path / "unpacked"), str(site_packages_of(Path(sys.prefix)))]
    code = "import sys; sys.path[:0] = sys.argv[1:]; import cryptable_kernel; cryptable_kernel.open_kernel()"
    done = subprocess.run([sys.executable, "-S", "-c", code, *places], capture_output=True, text=True)
    assert "without a C compiler" in done.stderr


@pytest.mark.parametrize("package", sorted(NEVER))
def test_torch_can_be_left_out(environments, package):
    assert any(line.startswith("torch") for line in metadata.requires("concrete-python"))
    installed = names_in(environments(package))
    assert {"concrete_python", "cryptable_engine"} <= installed
    assert not installed & {name.replace("-", "_") for name in NEVER[package]}


def test_client_installs_small_and_alone(environments):
    site_packages = site_packages_of(environments("client"))
    ours = {path.name for path in site_packages.glob("cryptable*") if not path.name.endswith(".dist-info")}
    assert ours == {"cryptable_client", "cryptable_protocol"}
    files = [path for path in site_packages.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    size = sum(path.stat().st_size for path in files if path.relative_to(site_packages).parts[0] != "pip")
    assert size <= 110 * MEGABYTE, f"{size / MEGABYTE:.0f} MB installed"
