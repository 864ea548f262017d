"""Integers as fractions of the torus, one for each modulus."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cryptable_engine.circuit.circuit import IntArray

FloatArray = npt.NDArray[np.float64]


def on_torus(values: IntArray, moduli: tuple[int, ...]) -> FloatArray:
    """Integers, shape (count, outputs), as w/p of the torus in −1/2 … 1/2 for each modulus p: shape (count, slots)."""
    parts = [((values + p // 2) % p - p // 2) / p for p in moduli]
    return np.concatenate(parts, axis=1)
