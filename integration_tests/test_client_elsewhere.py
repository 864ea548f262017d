"""The client's own tests on other CPythons of this machine, with the newest NumPy and pyarrow, and no more of ours.

A selection that takes seconds, on the oldest and the newest there is; with `CRYPTABLE_ELSEWHERE=all`, all of them on
all versions. On this CPython those of Parquet run, with pyarrow beside the main environment: in it, pandas would keep
strings otherwise than most users' does.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.elsewhere

ROOT = Path(__file__).resolve().parents[1]
TESTS = ROOT / "packages" / "client" / "tests"
SELECTED = (
    "schemes/bootstrapped/test_encryption.py",
    "schemes/bootstrapped/test_evaluation_keys.py",
    "test_imports.py",
    "keys/test_lifetime.py",
    "schemes/bootstrapped/test_lwe.py",
    "schemes/bootstrapped/test_polynomials.py",
    "schemes/test_randomness.py",
    "schemes/bootstrapped/test_security.py",
    "files/test_tables.py",
    "server/test_trust.py",
)
PYARROW = "pyarrow>=15,<26"
"""The last that takes the NumPy that concrete-python needs, 1.26."""
HERE_ALONE = "test_memory_does_not_grow_with_the_keys"
"""What no version of Python changes and takes long: it runs where all tests do."""
VERSIONS = ("3.10", "3.12", "3.13", "3.14")
ALL = os.environ.get("CRYPTABLE_ELSEWHERE") == "all"
ABSENT = "import importlib.util as u; print([n for n in ('concrete', 'torch', 'cryptable_engine') if u.find_spec(n)])"


def interpreter(version):
    """A CPython of that version on this machine, on the path or pyenv's; None where there is none."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = [*sorted(pyenv.glob(f"{version}.*/bin/python")), shutil.which(f"python{version}")]
    for candidate in filter(None, candidates):
        asked = subprocess.run([candidate, "--version"], capture_output=True, text=True)
        if asked.returncode == 0 and asked.stdout.startswith(f"Python {version}."):
            return str(candidate)
    return None


def run(*command, path=None, **options):
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    if path is not None:
        environment["PYTHONPATH"] = str(path)
    return subprocess.run(
        [str(part) for part in command], cwd=ROOT, capture_output=True, text=True, env=environment, **options
    )


def uv():
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    found = shutil.which("uv", path=places)
    assert found, "uv is missing: run `make setup`"
    return found


def uv_install(*arguments):
    """Install with uv, or skip the test where there is no network."""
    installed = run(uv(), "pip", "install", "--quiet", "--only-binary", "pyarrow", *arguments, timeout=300)
    if installed.returncode and ("network" in installed.stderr or "connect" in installed.stderr.lower()):
        pytest.skip("the package index cannot be reached")
    assert installed.returncode == 0, installed.stderr


def test_parquet_on_this_version(tmp_path):
    uv_install("--python", sys.executable, "--no-deps", "--target", tmp_path / "libraries", PYARROW)
    chosen = [TESTS / name for name in ("test_main.py", "files/test_tables.py")]
    pytest_run = (sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "-k", "parquet")
    tested = run(*pytest_run, *chosen, path=tmp_path / "libraries", timeout=300)
    assert tested.returncode == 0, tested.stdout[-3000:]
    assert re.search(r"\b([5-9]|\d\d) passed", tested.stdout), tested.stdout[-3000:]
    assert "skipped" not in tested.stdout


@pytest.mark.parametrize("version", VERSIONS)
def test_the_clients_tests_pass(version, tmp_path):
    if sys.version_info[:2] == tuple(map(int, version.split("."))):
        pytest.skip("this is the version that all tests run on")
    base = interpreter(version)
    if base is None:
        pytest.skip(f"no CPython {version} on this machine")
    if not ALL and version != VERSIONS[0] and any(map(interpreter, VERSIONS[VERSIONS.index(version) + 1 :])):
        pytest.skip("there is an older one and a newer one: CRYPTABLE_ELSEWHERE=all runs this one too")
    assert run(uv(), "venv", "--quiet", "--no-project", "--python", base, tmp_path / "venv").returncode == 0
    python = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    sources = [ROOT / "packages" / name for name in ("protocol", "client")]
    uv_install("--python", python, *sources, "numpy>=2", "pyarrow", "pytest", "pytest-xdist", "hypothesis")
    assert run(python, "-c", ABSENT).stdout.strip() == "[]"
    assert run(python, "-c", "import numpy; print(numpy.__version__)").stdout.startswith("2.")
    chosen = [TESTS / name for name in SELECTED] + ["-k", f"not {HERE_ALONE}"]
    if ALL:
        chosen = [TESTS]
    tested = run(python, "-m", "pytest", "-q", "-x", "-rs", "-p", "no:cacheprovider", *chosen, timeout=600)
    assert tested.returncode == 0, tested.stdout[-3000:] + tested.stderr[-1000:]
    assert " passed" in tested.stdout
    assert "pyarrow" not in tested.stdout  # no test of Parquet was skipped
