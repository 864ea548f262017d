"""What clients would read, computed on clear rows with the noise that their ciphertexts would have."""

from __future__ import annotations

import numpy as np

from cryptable_engine.circuit.circuit import Circuit, IntArray
from cryptable_engine.circuit.interpreter import interpret
from cryptable_engine.schemes.levelled.noise.row_noise import row_rounding, row_variance
from cryptable_engine.schemes.levelled.noise.variances import MEAN, RowVariances
from cryptable_engine.schemes.levelled.plans.plan import Plan
from cryptable_engine.schemes.levelled.plans.reading import read_residues
from cryptable_engine.schemes.levelled.plans.torus import on_torus

_MOST_FOLLOWED = 10_000
"""Leaves times slots, over all rows, up to which correlations between leaves are followed: half a minute."""


def simulate_rows(circuit: Circuit, plan: Plan, rows: IntArray) -> IntArray:
    """As `programs.simulate`: Gaussian noise of the row's own variance and its rounded weights, read by residues.

    Of many rows, what leaves add is taken as if their errors were independent.

    Args:
        circuit: verified.
        plan: of it.
        rows: encoded, shape (rows, inputs).
    """
    parameters = plan.parameters
    variances = RowVariances(plan.layout, MEAN)
    random = np.random.default_rng()
    exact = on_torus(interpret(circuit, rows), parameters.moduli)
    found = np.empty((len(rows), parameters.outputs), np.int64)
    leaves = len(rows) * len(plan.layout.leaf_bits) * plan.layout.slots <= _MOST_FOLLOWED
    for index, (bits, phase) in enumerate(zip(rows, exact, strict=True)):
        variance = row_variance(plan, variances, bits, are_leaves_followed=leaves)
        noise = random.normal(0.0, np.sqrt(variance)) + row_rounding(plan, bits)
        found[index] = read_residues(parameters, phase + noise)
    return found
