"""Concrete's own simulation of a circuit on clear rows: a second oracle, which knows nothing of our interpreter."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from cryptable_protocol import CompileOptions

from cryptable_engine.circuit.circuit import Circuit, IntArray
from cryptable_engine.schemes.bootstrapped.compiling.compiler import compile_into
from cryptable_engine.schemes.bootstrapped.concrete.mlir import FUNCTION
from cryptable_engine.schemes.bootstrapped.concrete.native import NativeSimulation
from cryptable_engine.schemes.scheme import CompileLimits


def simulate_verified(circuit: Circuit, options: CompileOptions, rows: IntArray, *, limits: CompileLimits) -> IntArray:
    """As `programs.simulate`, of a verified circuit and rows that have been checked."""
    with tempfile.TemporaryDirectory(prefix="cryptable-simulation-") as temporary:
        directory = Path(temporary) / "program"
        compile_into(circuit, options, directory, limits=limits, mode="simulation")
        simulation = NativeSimulation(directory, FUNCTION)
        result = np.empty((rows.shape[0], circuit.nodes[circuit.output].size), np.int64)
        for index, row in enumerate(rows):
            result[index] = simulation(row)
    return result
