"""Brevitas quantizers whose steps are given: what a table reads and returns is integers, known before training."""

from __future__ import annotations

import warnings
from typing import Any

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of a docstring of Brevitas, when Python first compiles it
    import brevitas.nn as qnn
    from brevitas.function.ops_ste import floor_ste, round_ste
    from brevitas.quant import (
        Int8ActPerTensorFloat,
        Int8WeightPerTensorFixedPoint,
        Int8WeightPerTensorFloat,
        Uint8ActPerTensorFloat,
    )

_SUM_BITS = 20
"""Of a sum in whole positions: wider than any can be."""


def signed_values(bits: int, step: float) -> qnn.QuantIdentity:
    """To the nearest of step * (-2^(bits - 1) .. 2^(bits - 1) - 1)."""
    return qnn.QuantIdentity(
        act_quant=Int8ActPerTensorFloat,
        bit_width=bits,
        scaling_impl_type="const",
        scaling_init=step * (1 << (bits - 1)),
    )


def unsigned_values(bits: int, step: float) -> qnn.QuantIdentity:
    """To the nearest of step * (0 .. 2^bits - 1)."""
    return qnn.QuantIdentity(
        act_quant=Uint8ActPerTensorFloat,
        bit_width=bits,
        scaling_impl_type="const",
        scaling_init=step * ((1 << bits) - 1),
    )


def whole_positions() -> qnn.QuantIdentity:
    """Sums, rounded to whole positions of a ring."""
    return signed_values(_SUM_BITS, 1.0)


def fixed_weights(bits: int, step: float) -> dict[str, Any]:
    """Arguments of a quantized layer: weights of step * (-(2^(bits - 1) - 1) .. 2^(bits - 1) - 1)."""
    return {
        "weight_quant": Int8WeightPerTensorFloat,
        "weight_bit_width": bits,
        "weight_scaling_impl_type": "const",
        "weight_scaling_init": step * ((1 << (bits - 1)) - 1),
    }


def scaled_weights(bits: int, *, power_of_two: bool) -> dict[str, Any]:
    """Arguments of a quantized layer: weights whose step follows the largest of them."""
    quantizer = Int8WeightPerTensorFixedPoint if power_of_two else Int8WeightPerTensorFloat
    return {"weight_quant": quantizer, "weight_bit_width": bits}


__all__ = [
    "fixed_weights",
    "floor_ste",
    "qnn",
    "round_ste",
    "scaled_weights",
    "signed_values",
    "unsigned_values",
    "whole_positions",
]
