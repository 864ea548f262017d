"""Each package runs without the libraries that are not its own, shown in fresh processes and in those that they start.

Each case is shown twice: nothing foreign is imported, not even in vain; and where nothing foreign can be imported, the
program runs all the same. Foreign libraries are installed here (but for onnx and its like, which nothing needs yet).
"""

import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

HERE = Path(__file__).parent
LEARNING = ("catboost", "lightgbm", "onnx", "pandas", "sklearn", "torch", "xgboost")
NATIVE = ("concrete", "mlir", "capnp")
CLIENT = ("cryptable_client",)
DEV = ("cryptable",)
ENGINE = ("cryptable_engine",)
SERVER = ("cryptable_server",)
NOT_INSTALLED = {"onnx"}


@dataclass(frozen=True)
class Boundary:
    """Processes that a program starts, told by a text in their arguments, and the modules that they must not import."""

    program: str
    processes: str
    modules: tuple[str, ...]


BOUNDARIES = {
    "protocol": Boundary("protocol_encodes.py", ".py", (*LEARNING, *NATIVE, "grpc", *CLIENT, *DEV, *ENGINE, *SERVER)),
    "client": Boundary("client_encrypts.py", ".py", (*LEARNING, *NATIVE, "grpc", *DEV, *ENGINE, *SERVER)),
    "engine": Boundary("engine_evaluates.py", ".py", (*LEARNING, "concrete.fhe", "grpc", *CLIENT, *DEV, *SERVER)),
    "compiler": Boundary(
        "engine_evaluates.py",
        "-m cryptable_engine.schemes.bootstrapped.compiling.compile_process",
        (*LEARNING, "concrete.fhe", "grpc", *DEV, *SERVER),
    ),
    "server front": Boundary(
        "server_serves.py", "-m cryptable_server serve", (*LEARNING, *NATIVE, *CLIENT, *DEV, *ENGINE)
    ),
    "server worker": Boundary(
        "server_serves.py", "-m cryptable_server.processes.worker", (*LEARNING, "concrete.fhe", "grpc", *CLIENT, *DEV)
    ),
    "server compiler": Boundary(
        "server_serves.py", "-m cryptable_server.processes.preparation", (*LEARNING, "concrete.fhe", *CLIENT, *DEV)
    ),
    "client of a server": Boundary(
        "server_serves.py", "client_connects.py", (*LEARNING, *NATIVE, *DEV, *ENGINE, *SERVER)
    ),
}


def run(program, modules, folder, block=None):
    """Run a program under the observer: the finished process, arguments by pid, and imports as (pid, module)."""
    log = folder / "observed.log"
    environment = {
        **os.environ,
        "PYTHONPATH": str(HERE / "observer"),
        "OBSERVER_LOG": str(log),
        "OBSERVER_MODULES": ",".join(modules),
    }
    if block is not None:
        environment["OBSERVER_BLOCK"] = block
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


def is_one_of(module, names):
    return any(module == name or module.startswith(f"{name}.") for name in names)


@pytest.fixture(scope="module")
def observed(tmp_path_factory):
    """Program, and whether each of its processes is denied its boundary's modules → what `run` returned.

    The modules of all its boundaries are watched.
    """

    @cache
    def observe(program, *, blocked):
        boundaries = [boundary for boundary in BOUNDARIES.values() if boundary.program == program]
        modules = sorted({name for boundary in boundaries for name in boundary.modules})
        block = ";".join(f"{boundary.processes}={','.join(boundary.modules)}" for boundary in boundaries)
        folder = tmp_path_factory.mktemp("observed")
        return run(HERE / "programs" / program, modules, folder, block if blocked else None)

    return observe


@pytest.mark.encrypted
@pytest.mark.parametrize("boundary", BOUNDARIES.values(), ids=list(BOUNDARIES))
def test_imports_nothing_foreign(observed, boundary):
    done, processes, imports = observed(boundary.program, blocked=False)
    assert done.returncode == 0, done.stderr
    watched = {pid for pid, arguments in processes.items() if boundary.processes in arguments}
    assert watched, f"no process {boundary.processes!r} among {list(processes.values())}"
    assert {module for pid, module in imports if pid in watched and is_one_of(module, boundary.modules)} == set()


@pytest.mark.encrypted
@pytest.mark.parametrize("boundary", BOUNDARIES.values(), ids=list(BOUNDARIES))
def test_runs_where_nothing_foreign_can_be_imported(observed, boundary):
    done, processes, _ = observed(boundary.program, blocked=True)
    assert done.returncode == 0, done.stderr
    assert any(boundary.processes in arguments for arguments in processes.values())


@pytest.mark.encrypted
def test_a_server_meets_concrete_nowhere(observed):
    """Whether it is installed or not, of models with lookups too; nor does whoever compiles them for it."""
    _, processes, imports = observed("server_serves.py", blocked=False)
    assert {processes[pid] for pid, module in imports if is_one_of(module, NATIVE)} == set()


@pytest.mark.parametrize("module", sorted({name for boundary in BOUNDARIES.values() for name in boundary.modules}))
def test_a_foreign_import_would_be_seen(tmp_path, module):
    assert module in NOT_INSTALLED or find_spec(module) is not None
    offender = tmp_path / "offender.py"
    child = f"[sys.executable, '-c', 'import {module}']"
    offender.write_text(f"import subprocess, sys\nsys.exit(subprocess.call({child}))\n")
    process, _, imports = run(offender, [module], tmp_path, block="")
    assert process.returncode != 0
    assert f"{module} is blocked for this test" in process.stderr
    assert [found for _, found in imports] == [module]
