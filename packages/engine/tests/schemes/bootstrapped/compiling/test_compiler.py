"""Compilation happens in a child process: whole or not at all, within limits, with errors that say what to do."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cryptable_engine import (
    Circuit,
    CircuitError,
    CompilationError,
    CompileLimits,
    GroupKind,
    Input,
    InputGroup,
    Linear,
    Lookup,
    Term,
    compile_circuit,
)
from cryptable_engine.schemes.bootstrapped.compiling.compiler import REFUSED, options_to_json
from cryptable_protocol import CompileOptions, InvalidInputError

OPTIONS = CompileOptions()


def large_circuit():
    """Compiles in some seconds."""
    rng = np.random.default_rng(0)
    given = Input((InputGroup(GroupKind.RANGE, 5000, 1),))
    code = Linear((Term.from_dense(0, np.eye(5000, 2000)),), np.zeros(2000, np.int64))
    return Circuit(
        (
            given,
            code,
            Lookup(1, rng.integers(0, 9, (2000, 16)), np.arange(2000)),
            Linear((Term.from_dense(2, np.ones((2000, 1000))),), np.zeros(1000, np.int64)),
        ),
        3,
    )


def test_a_program_lies_where_it_was_asked_for(tmp_path, shared):
    target = tmp_path / "new" / "a program; $(touch injected) 'quoted'"
    program = compile_circuit(shared, OPTIONS, target)
    assert program.directory == target
    assert list(target.parent.iterdir()) == [target]
    assert not Path("injected").exists()


def test_a_relative_directory(tmp_path, linear, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert compile_circuit(linear, OPTIONS, "program").directory == tmp_path / "program"


def test_an_empty_directory_is_used_and_a_full_one_is_not(tmp_path, linear):
    compile_circuit(linear, OPTIONS, tmp_path / "program")
    empty = tmp_path / "empty"
    empty.mkdir()
    compile_circuit(linear, OPTIONS, empty)
    with pytest.raises(InvalidInputError, match="not an empty directory"):
        compile_circuit(linear, OPTIONS, empty)


def test_compiling_again_gives_the_same_parameters(programs, shared, tmp_path):
    """A server relies on it when it compares what it compiles with the client spec; whoever has chosen them."""
    made = [compile_circuit(shared, OPTIONS, tmp_path / name, native=name == "native") for name in ("own", "native")]
    again = [compile_circuit(shared, OPTIONS, tmp_path / "again"), programs("shared")]
    assert [replace(each, directory=tmp_path) for each in made] == [replace(each, directory=tmp_path) for each in again]


def test_a_refused_circuit_never_reaches_the_child(tmp_path, shared):
    with pytest.raises(CircuitError, match="its output is node 0"):
        compile_circuit(Circuit(shared.nodes, 0), OPTIONS, tmp_path / "program")
    assert not list(tmp_path.iterdir())


def test_the_child_verifies_again(tmp_path, shared):
    """Bytes of a circuit that the verifier refuses, handed to the child process by another way."""
    nodes = list(shared.nodes)
    nodes[1] = replace(nodes[1], offset=np.array([0, -1]))
    arguments = [str(8 << 30), "60", "encrypted", options_to_json(OPTIONS)]
    child = subprocess.run(
        [sys.executable, "-m", "cryptable_engine.schemes.bootstrapped.compiling.compile_process", *arguments],
        input=Circuit(tuple(nodes), 3).to_bytes(),
        capture_output=True,
        cwd=tmp_path,
        check=False,
    )
    assert child.returncode == REFUSED
    assert "node 2: looks up element 1, whose values are -1 .. 2" in child.stderr.decode()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (CompileLimits(wall_seconds=0.2), "took longer than 0.2 s; use a smaller model"),
        (CompileLimits(cpu_seconds=1), "SIGXCPU, after at most 1 s of CPU"),
        (CompileLimits(address_space_bytes=300 << 20), "limit of 300 MiB of address space"),
    ],
)
def test_limits_end_the_child_and_leave_nothing(tmp_path, limits, message):
    with pytest.raises(CompilationError, match=message):
        compile_circuit(large_circuit(), OPTIONS, tmp_path / "program", native=True, limits=limits)
    assert not list(tmp_path.iterdir())


def test_without_a_linker(tmp_path, linear, shared, monkeypatch):
    """Concrete alone needs it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CompilationError, match="`ld`, which is not on PATH; install binutils"):
        compile_circuit(linear, OPTIONS, tmp_path / "program", native=True)
    for number, circuit in enumerate((linear, shared)):
        compile_circuit(circuit, OPTIONS, tmp_path / str(number))


def test_no_parameters_are_exact_enough(tmp_path):
    given = Input((InputGroup(GroupKind.THERMOMETER, 1),))
    circuit = Circuit((given, Linear((Term.from_dense(0, [[1 << 45]]),), np.array([0]))), 1)
    with pytest.raises(CompilationError, match=r"no crypto parameters are exact enough .* use fewer bits for scores"):
        compile_circuit(circuit, OPTIONS, tmp_path / "program")
