"""Rules that nodes of several kinds obey: the limits of their numbers, their arrays, sizes and sources."""

from __future__ import annotations

import numpy as np
from cryptable_protocol import limits

from cryptable_engine.circuit.circuit import Circuit, IntArray
from cryptable_engine.errors import CircuitError

MAX_WEIGHT = 1 << 48
MAX_OFFSET = 1 << 60


def check_size(index: int, size: int) -> None:
    """Of a value."""
    if not 1 <= size <= limits.MAX_VECTOR_SIZE:
        raise CircuitError(f"a value of {size} elements, expected 1 .. {limits.MAX_VECTOR_SIZE}", node=index)


def check_array(index: int, array: IntArray, dimensions: int, what: str) -> None:
    """Its type, and how many axes it has."""
    if array.dtype != np.int64 or array.ndim != dimensions:
        raise CircuitError(
            f"{what}: {array.ndim}-dimensional {array.dtype}, expected {dimensions}-dimensional int64", node=index
        )


def check_source(index: int, source: int) -> None:
    """Nodes refer to earlier ones."""
    if not 0 <= source < index:
        raise CircuitError(f"reads node {source}, which is not an earlier node", node=index)


def check_bits(index: int, bits: IntArray, circuit: Circuit) -> None:
    """Elements of the Input, each of whose values is at most 1."""
    groups = circuit.input.groups
    maximum = np.repeat(np.array([group.maximum for group in groups]), [group.size for group in groups])
    if bits.min() < 0 or bits.max() >= maximum.size:
        raise CircuitError(f"a bit outside the {maximum.size} elements of the Input", node=index)
    if (maximum[bits] > 1).any():
        raise CircuitError("multiplies by an element of the Input that is no bit", node=index)
