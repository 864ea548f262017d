"""Arrangement: which element of a layer's value stands in which slot, over and over."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cryptable_engine.circuit.circuit import IntArray

NOTHING = -1
"""A slot that holds 0."""


@dataclass(frozen=True, eq=False)
class Arrangement:
    """Both rows of slots repeat these elements: one list for both, or one for each.

    Attributes:
        elements: of the value, or NOTHING; shape (1 or 2, width), width being a power of two.
    """

    elements: IntArray

    @classmethod
    def in_order(cls, size: int) -> Arrangement:
        """Element after element, in at least two slots."""
        elements = np.full((1, 1 << max(1, (size - 1).bit_length())), NOTHING)
        elements[0, :size] = np.arange(size)
        return cls(elements)

    @property
    def width(self) -> int:
        """Slots after which it repeats."""
        return int(self.elements.shape[1])

    @property
    def rows_differ(self) -> bool:
        """Whether each row of slots holds a part of the value."""
        return len(self.elements) > 1

    def of(self, values: IntArray) -> IntArray:
        """An array's entries along its last axis, 0 for NOTHING; shape (1 or 2, ..., width)."""
        taken = np.moveaxis(values[..., self.elements], -2, 0)
        there = (self.elements != NOTHING).reshape(len(self.elements), *(1,) * (values.ndim - 1), self.width)
        arranged: IntArray = np.where(there, taken, 0)
        return arranged

    def slots(self, values: IntArray, ring_size: int) -> IntArray:
        """All slots of a value, shape (ring_size,), those of the second row after the first's."""
        rows = np.broadcast_to(self.of(values), (2, self.width))
        return np.tile(rows, (1, ring_size // 2 // self.width)).reshape(-1)
