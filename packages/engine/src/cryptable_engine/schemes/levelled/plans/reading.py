"""Outputs of phases, as clients read them: residues, put together by the Chinese remainder theorem."""

from __future__ import annotations

import math

from cryptable_protocol.schemes.levelled.linear_parameters import LinearParameters
from cryptable_protocol.schemes.levelled.parameters import LevelledParameters

from cryptable_engine.schemes.levelled.plans.torus import FloatArray


def read_residues(parameters: LevelledParameters | LinearParameters, phase: FloatArray) -> list[int]:
    """The outputs of an answer with these phases, shape (slots,)."""
    outputs = [0] * parameters.outputs
    for index, modulus in enumerate(parameters.moduli):
        rest = parameters.modulus // modulus
        factor = rest * pow(rest, -1, modulus)
        for output in range(parameters.outputs):
            residue = math.floor(phase[index * parameters.outputs + output] * modulus + 0.5) % modulus
            outputs[output] += residue * factor
    return [min(value % parameters.modulus, parameters.maximum) for value in outputs]
