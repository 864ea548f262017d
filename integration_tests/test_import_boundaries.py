"""Each package runs without the libraries that are not its own, shown in fresh processes.

Each case is shown twice: the libraries are importable there and are not loaded, and they cannot be imported and the
program runs all the same.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAMS = Path(__file__).parent / "programs"
LEARNING = ("catboost", "lightgbm", "onnx", "pandas", "sklearn", "torch", "treelite", "xgboost")
NATIVE = ("concrete", "mlir", "capnp")
TRANSPORT = ("grpc",)
OPTIONAL = {"catboost", "lightgbm", "onnx", "pandas"}
"""Not among what we install: an empty package stands in, so that loading it would be seen."""

BOUNDARIES = [
    ("protocol_encodes.py", (*LEARNING, *NATIVE, *TRANSPORT, "cryptable", "cryptable_client", "cryptable_engine")),
    ("client_encrypts.py", (*LEARNING, *NATIVE, *TRANSPORT, "cryptable", "cryptable_engine", "cryptable_server")),
]
CASES = pytest.mark.parametrize(("program", "modules"), BOUNDARIES, ids=[program for program, _ in BOUNDARIES])


@pytest.fixture(scope="module")
def observe(tmp_path_factory):
    """Runs observe.py on a program, with stand-ins for what is not installed; returns the finished process."""
    stand_ins = tmp_path_factory.mktemp("stand_ins")
    for name in OPTIONAL:
        (stand_ins / name).mkdir()
        (stand_ins / name / "__init__.py").touch()

    def run(program, modules, *options):
        command = [sys.executable, "-I", PROGRAMS / "observe.py", "--also", stand_ins, *options, program, *modules]
        return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=300)

    return run


def loaded(process):
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout.splitlines()[-1])


@CASES
def test_loads_nothing_foreign(observe, program, modules):
    assert loaded(observe(PROGRAMS / program, modules)) == []


@CASES
def test_runs_where_nothing_foreign_can_be_imported(observe, program, modules):
    assert loaded(observe(PROGRAMS / program, modules, "--block")) == []


@pytest.mark.parametrize("module", sorted({module for _, modules in BOUNDARIES for module in modules}))
def test_a_foreign_import_would_be_seen(observe, tmp_path, module):
    offender = tmp_path / "offender.py"
    offender.write_text(f"import {module}\n")
    assert loaded(observe(offender, [module])) == [module]
    blocked = observe(offender, [module], "--block")
    assert blocked.returncode != 0
    assert f"{module} is blocked for this test" in blocked.stderr
