"""What clients would read, computed on clear rows with noise of the deviation that the bound allows."""

from __future__ import annotations

import numpy as np

from cryptable_engine.circuit.circuit import Circuit, IntArray
from cryptable_engine.circuit.interpreter import interpret
from cryptable_engine.schemes.squares.noise import most_used
from cryptable_engine.schemes.squares.plan import Plan


def simulate_rows(circuit: Circuit, plan: Plan, rows: IntArray) -> IntArray:
    """As `programs.simulate`: an answer one of whose words is misread is a random one.

    Args:
        circuit: verified.
        plan: of it.
        rows: encoded, shape (rows, inputs).
    """
    parameters = plan.parameters
    random = np.random.default_rng()
    found = interpret(circuit, rows)
    deviation = most_used(plan) / parameters.deviations
    words = parameters.classes * len(parameters.moduli)
    misread = np.abs(random.normal(0.0, deviation, (len(rows), words))).max(axis=1, initial=0.0) > 1.0
    noise = random.integers(0, parameters.maximum + 1, found.shape)
    return np.where(misread[:, None], noise, found)
