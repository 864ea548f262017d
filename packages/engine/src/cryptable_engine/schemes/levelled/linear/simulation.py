"""What clients would read of a linear model, computed on clear rows with noise as their ciphertexts would have."""

from __future__ import annotations

import numpy as np

from cryptable_engine.circuit.circuit import Circuit, IntArray
from cryptable_engine.circuit.interpreter import interpret
from cryptable_engine.schemes.levelled.linear.plan import LinearPlan
from cryptable_engine.schemes.levelled.plans.reading import read_residues
from cryptable_engine.schemes.levelled.plans.torus import on_torus


def simulate_linear(circuit: Circuit, plan: LinearPlan, rows: IntArray) -> IntArray:
    """As `programs.simulate`: Gaussian noise of the greatest variance that any row's has, read by residues."""
    parameters = plan.parameters
    deviations = np.sqrt(np.repeat(parameters.variances, parameters.outputs))  # parts do not matter in the clear
    phases = on_torus(interpret(circuit, rows), parameters.moduli)
    phases += np.random.default_rng().normal(0.0, deviations, phases.shape)
    return np.array([read_residues(parameters, phase) for phase in phases], np.int64).reshape(-1, parameters.outputs)
