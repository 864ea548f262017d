"""What clients would read, computed on clear rows with noise of the deviation that the bound allows."""

from __future__ import annotations

import math

import numpy as np
from cryptable_protocol.schemes.squares.bulk_parameters import BulkParameters
from cryptable_protocol.schemes.squares.parameters import SquaresParameters

from cryptable_engine.circuit.circuit import Circuit, IntArray
from cryptable_engine.circuit.interpreter import interpret
from cryptable_engine.schemes.squares.bulk.plan import BulkPlan
from cryptable_engine.schemes.squares.noise.bound import most_used
from cryptable_engine.schemes.squares.plan import Plan


def simulate_rows(circuit: Circuit, plan: Plan, rows: IntArray) -> IntArray:
    """As `programs.simulate`: an answer one of whose words is misread is a random one.

    Args:
        circuit: verified.
        plan: of it.
        rows: encoded, shape (rows, inputs).
    """
    parameters = plan.parameters
    words = parameters.classes * len(parameters.moduli)
    return _simulated(circuit, rows, parameters, used=most_used(plan), words=words)


def simulate_bulk(circuit: Circuit, plan: BulkPlan, rows: IntArray) -> IntArray:
    """The same of rows in bulk, each as if it had a tensor of its own: a misread word makes it random."""
    parameters = plan.parameters
    words = parameters.outputs * parameters.keyset.ring_size
    return _simulated(circuit, rows, parameters, used=plan.noise.used(), words=words)


def _simulated(
    circuit: Circuit, rows: IntArray, parameters: SquaresParameters | BulkParameters, *, used: float, words: int
) -> IntArray:
    random = np.random.default_rng()
    found = interpret(circuit, rows)
    # The greatest of so many words is beyond what a word bears as often as one of them is.
    beyond = math.erfc(parameters.deviations / used / math.sqrt(2))
    misread = random.random(len(rows)) < -math.expm1(words * math.log1p(-beyond))
    noise = random.integers(0, parameters.maximum + 1, found.shape)
    return np.where(misread[:, None], noise, found)
