"""Approximate readout: outputs of which only the upper bits are exact, and what a client reads of them.

Parameters that keep `exact_output_bits` bits exact bear noise of at most half a step of the lowest of these, but for
`p_error`. A client reads `further_bits` more, so that a score is rounded once, at its end, and not in every table.
"""

from __future__ import annotations

import numpy as np

from cryptable_engine.circuit.bounds import bounds, highest_output
from cryptable_engine.circuit.circuit import Circuit, IntArray


def output_bits(circuit: Circuit) -> int:
    """Bits of the circuit's outputs, exact or not."""
    found = () if circuit.output_maximum is not None else bounds(circuit)
    return max(1, highest_output(circuit, found).bit_length())


def noise_bound(further_bits: int) -> int:
    """What a client reads differs from `read_out` by no more, but for p_error: the noise, and its rounding."""
    return (1 << further_bits) // 2 + 1 if further_bits else 0


def read_out(
    circuit: Circuit,
    outputs: IntArray,
    further_bits: int,
    *,
    deviation: float = 0.0,
    generator: np.random.Generator | None = None,
) -> IntArray:
    """What a client reads of exact outputs: themselves, or with approximate readout their upper bits, rounded.

    Args:
        circuit: verified.
        outputs: what `interpret` gives.
        further_bits: of the client's decoder.
        deviation: of the noise, as a standard deviation in steps of the lowest exact bit.
        generator: of noise; without one there is none.
    """
    if circuit.exact_output_bits is None:
        return outputs
    dropped = output_bits(circuit) - circuit.exact_output_bits - further_bits
    scaled = outputs / (1 << dropped)
    if generator is not None:
        scaled = scaled + generator.normal(0.0, deviation * (1 << further_bits), outputs.shape)
    rounded: IntArray = np.floor(scaled + 0.5).astype(np.int64)
    return rounded
