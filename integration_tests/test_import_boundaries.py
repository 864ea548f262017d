"""Each package runs without the libraries that are not its own, shown in fresh processes and in those that they start.

Each case is shown twice: nothing foreign is imported, not even in vain; and where nothing foreign can be imported, the
program runs all the same. Foreign libraries are installed here (but for onnx and its like, which nothing needs yet).
"""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

HERE = Path(__file__).parent
LEARNING = ("catboost", "lightgbm", "onnx", "pandas", "sklearn", "torch", "treelite", "xgboost")
NATIVE = ("concrete", "mlir", "capnp")
CLIENT = ("cryptable_client",)
DEV = ("cryptable",)
ENGINE = ("cryptable_engine",)
SERVER = ("cryptable_server",)
NOT_INSTALLED = {"catboost", "lightgbm", "onnx", "pandas"}

BOUNDARIES = {
    "protocol_encodes": (*LEARNING, *NATIVE, "grpc", *CLIENT, *DEV, *ENGINE, *SERVER),
    "client_encrypts": (*LEARNING, *NATIVE, "grpc", *DEV, *ENGINE, *SERVER),
    "engine_evaluates": (*LEARNING, "concrete.fhe", "grpc", *CLIENT, *DEV, *SERVER),
}
CHILDREN = {"engine_evaluates": ["cryptable_engine.compile_process"]}
CASES = pytest.mark.parametrize("name", list(BOUNDARIES))


def run(program, modules, folder, *, block):
    """Run a program under the observer: the finished process, arguments by pid, and imports as (pid, module)."""
    log = folder / "observed.log"
    environment = {
        **os.environ,
        "PYTHONPATH": str(HERE / "observer"),
        "OBSERVER_LOG": str(log),
        "OBSERVER_MODULES": ",".join(modules),
    }
    if block:
        environment["OBSERVER_BLOCK"] = "1"
    process = subprocess.run(
        [sys.executable, program],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )
    lines = [line.split(" ", 2) for line in log.read_text().splitlines()]
    processes = {pid: what for kind, pid, what in lines if kind == "process"}
    return process, processes, [(pid, what) for kind, pid, what in lines if kind == "import"]


@pytest.mark.encrypted
@pytest.mark.parametrize("block", [False, True], ids=["importable", "blocked"])
@CASES
def test_imports_nothing_foreign(tmp_path, name, block):
    process, processes, imports = run(HERE / "programs" / f"{name}.py", BOUNDARIES[name], tmp_path, block=block)
    assert process.returncode == 0, process.stderr
    assert imports == []
    for expected in (f"{name}.py", *CHILDREN.get(name, ())):
        assert any(expected in arguments for arguments in processes.values()), f"{expected} was not observed"


@pytest.mark.parametrize("module", sorted({module for modules in BOUNDARIES.values() for module in modules}))
def test_a_foreign_import_would_be_seen(tmp_path, module):
    assert module in NOT_INSTALLED or find_spec(module) is not None
    offender = tmp_path / "offender.py"
    child = f"[sys.executable, '-c', 'import {module}']"
    offender.write_text(f"import subprocess, sys\nsys.exit(subprocess.call({child}))\n")
    process, _, imports = run(offender, [module], tmp_path, block=True)
    assert process.returncode != 0
    assert f"{module} is blocked for this test" in process.stderr
    assert [found for _, found in imports] == [module]
