"""The layout: which slot holds which input, and which class of slots is part of which output (SPEC-SQUARES.md)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cryptable_protocol.schemes.squares.windows import OUTSIDE, Windows

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Layout:
    """Slots in blocks: block number b is copy b mod `copies`, which begins at input `stride` times that.

    With windows, copy c holds what their tap number c lies on, place after place, and 0 where that is nothing.

    Attributes:
        ring_size: slots, in two rows of half as many.
        inputs: integers of a row.
        block: slots of a block, a power of two.
        copies: a power of two.
        stride: inputs between the beginnings of copies.
        window: classes of slots that make one output, a power of two.
        outputs: integers of an answer.
        windows: of a convolution.
    """

    ring_size: int
    inputs: int
    block: int
    copies: int
    stride: int
    window: int
    outputs: int
    windows: Windows | None = None

    @property
    def classes(self) -> int:
        """Classes of slots: coefficients of an answer. Those of a row's first half are of its even half, and so on."""
        return self.window * max(2, 1 << (self.outputs - 1).bit_length())

    def place(self, values: Integers) -> Integers:
        """The slots of a row of inputs."""
        slot = np.arange(self.ring_size)
        if self.windows is not None:
            table = np.full((self.copies, self.block), OUTSIDE)
            table[: self.windows.taps, : self.windows.places] = self.windows.table.T
            read = table.reshape(-1)[slot % table.size]
            seen: Integers = np.where(read == OUTSIDE, 0, values[read])
            return seen
        start = slot // self.block % self.copies * self.stride
        placed: Integers = values[(slot % self.block + start) % self.inputs]
        return placed

    def output_of(self, class_sums: Integers) -> Integers:
        """Sums over each output's window, shape (outputs,), of shape (classes,); class c of the second row follows."""
        sums: Integers = class_sums.reshape(-1, self.window).sum(axis=1)[: self.outputs]
        return sums
