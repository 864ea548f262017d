"""Where a row's bits stand: leaves in expanded polynomials, places in others (SPEC-LEVELLED.md, "A row")."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from cryptable_protocol.schemes.levelled.keyset import LOG2_RING_SIZE, RING_SIZE, Gadget

LEAF_SCALE = 14
"""A leaf that linear forms read holds its bit times 2^-14,"""
PLACE_SCALE = 16
"""a place 2^-16."""


@dataclass(frozen=True)
class Run:
    """The leaves of one expanded polynomial: `first` … `first` + `count` − 1."""

    first: int
    count: int

    @property
    def depth(self) -> int:
        """Levels of the trace tree that expands it."""
        return max(1, (self.count - 1).bit_length())

    @property
    def shift(self) -> int:
        """Leaf j of the run is coefficient j · 2^shift; the first automorphism used has this number."""
        return LOG2_RING_SIZE - self.depth

    @cached_property
    def doublings(self) -> npt.NDArray[np.int64]:
        """How often expansion doubles each leaf, shape (count,)."""
        leaf = np.arange(self.count)
        steps = 1 << np.arange(self.depth)
        doublings: npt.NDArray[np.int64] = ((leaf[:, None] % steps + steps) < self.count).sum(axis=1)
        return doublings


@dataclass(frozen=True)
class Layout:
    """Of a model with these selectors, leaves and places (indices of input elements)."""

    selectors: tuple[int, ...]
    leaves: tuple[int, ...]
    placed: tuple[int, ...]
    gadget: Gadget
    slots: int

    @property
    def selector_leaves(self) -> int:
        """Leaves of selectors, which come first: selector k's level j = 1 … l is leaf k · l + j − 1."""
        return len(self.selectors) * self.gadget.levels

    @cached_property
    def leaf_bits(self) -> npt.NDArray[np.int64]:
        """Input element of each leaf."""
        selectors = np.repeat(np.array(self.selectors, np.int64), self.gadget.levels)
        return np.concatenate([selectors, np.array(self.leaves, np.int64)])

    @cached_property
    def leaf_scales(self) -> npt.NDArray[np.int64]:
        """Each leaf holds its bit times 2^-scale once it is expanded."""
        levels = self.gadget.base_log * np.arange(1, self.gadget.levels + 1)
        scales: npt.NDArray[np.int64] = np.concatenate(
            [np.tile(levels, len(self.selectors)), np.full(len(self.leaves), LEAF_SCALE, np.int64)]
        ).astype(np.int64)
        return scales

    @cached_property
    def runs(self) -> tuple[Run, ...]:
        """One for each expanded polynomial."""
        total = len(self.leaf_bits)
        return tuple(Run(first, min(RING_SIZE, total - first)) for first in range(0, total, RING_SIZE))

    @property
    def room(self) -> int:
        """Places in one polynomial that is not expanded."""
        return RING_SIZE // self.slots

    @property
    def placed_polynomials(self) -> int:
        """Polynomials that are not expanded."""
        return -(-len(self.placed) // self.room)

    def place(self, index: int) -> tuple[int, int]:
        """Placed polynomial, and coefficient in it, of the element `placed[index]`."""
        return index // self.room, index % self.room * self.slots

    @property
    def finest_scale(self) -> int:
        """The largest of scale and doublings of a leaf: words of a row must have as many bits."""
        return max(
            (int((self.leaf_scales[run.first : run.first + run.count] + run.doublings).max()) for run in self.runs),
            default=0,
        )
