"""Approximate readout: outputs of which only the upper bits are exact, and what noise does to those below.

Parameters that keep `exact_output_bits` bits exact bear noise of at most half a step of the lowest of these, but for
`p_error`. A client reads `further_bits` more, so that a score is rounded once, at its end, and not in every table.
"""

from __future__ import annotations

import numpy as np

from cryptable_engine.circuit.bounds import bounds, highest_output
from cryptable_engine.circuit.circuit import Circuit, IntArray
from cryptable_engine.schemes.bootstrapped.parameters.formulas import deviations


def output_bits(circuit: Circuit) -> int:
    """Bits of the circuit's outputs, exact or not."""
    found = () if circuit.output_maximum is not None else bounds(circuit)
    return max(1, highest_output(circuit, found).bit_length())


def noise_deviation(further_bits: int, p_error: float) -> float:
    """The most that the standard deviation of what a client reads can be, in steps of the lowest bit that it reads.

    Half a step of the lowest exact bit is as many deviations of a Gaussian as leave `p_error` outside.
    """
    return 2.0**further_bits / 2 / deviations(p_error)


def noise_bound(further_bits: int) -> int:
    """What a client reads differs from `read_out` by no more, but for p_error: the noise, and its rounding."""
    return (1 << further_bits) // 2 + 1 if further_bits else 0


def read_out(
    circuit: Circuit,
    outputs: IntArray,
    further_bits: int,
    *,
    p_error: float | None = None,
    generator: np.random.Generator | None = None,
) -> IntArray:
    """What a client reads of exact outputs: themselves, or with approximate readout their upper bits, rounded.

    Args:
        circuit: verified.
        outputs: what `interpret` gives.
        further_bits: of the client's decoder.
        p_error: of the model, where noise is to be added.
        generator: of noise; without one there is none.
    """
    if circuit.exact_output_bits is None:
        return outputs
    dropped = output_bits(circuit) - circuit.exact_output_bits - further_bits
    scaled = outputs / (1 << dropped)
    if generator is not None and p_error is not None:
        scaled = scaled + generator.normal(0.0, noise_deviation(further_bits, p_error), outputs.shape)
    rounded: IntArray = np.floor(scaled + 0.5).astype(np.int64)
    return rounded
