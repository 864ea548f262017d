"""Concrete's own simulation of a circuit on clear rows: a second oracle, which knows nothing of our interpreter."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
from cryptable_protocol import CompileOptions

from cryptable_engine.circuit.circuit import Circuit, IntArray
from cryptable_engine.circuit.interpreter import checked_rows
from cryptable_engine.circuit.verifier import verify
from cryptable_engine.schemes.bootstrapped.compiling.compiler import CompileLimits, compile_into
from cryptable_engine.schemes.bootstrapped.concrete.mlir import FUNCTION
from cryptable_engine.schemes.bootstrapped.concrete.native import NativeSimulation


def simulate(
    circuit: Circuit, options: CompileOptions, values: npt.ArrayLike, *, limits: CompileLimits | None = None
) -> IntArray:
    """Compile for simulation, and compute each row on clear values with the noise that its ciphertexts would have.

    The result is `interpret`'s but for failures of probability `options.p_error`.

    Args:
        circuit: any; it is verified.
        options: as for `compile_circuit`.
        values: integers of shape (rows, input size), as honest encoders make them.
        limits: of the compiling process.

    Returns:
        Integers of shape (rows, output size).

    Raises:
        CircuitError, CompilationError: as `compile_circuit`.
        InvalidInputError: as `interpret`.
        EvaluationError: the native code failed.
    """
    verify(circuit)
    rows = checked_rows(circuit.input, values)
    with tempfile.TemporaryDirectory(prefix="cryptable-simulation-") as temporary:
        directory = Path(temporary) / "program"
        compile_into(circuit, options, directory, limits=limits or CompileLimits(), mode="simulation")
        simulation = NativeSimulation(directory, FUNCTION)
        result = np.empty((rows.shape[0], circuit.nodes[circuit.output].size), np.int64)
        for index, row in enumerate(rows):
            result[index] = simulation(row)
    return result
