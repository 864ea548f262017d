"""Windows: which inputs each place of a convolution reads, as clients lay them out (SPEC-SQUARES.md, "A row")."""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from cryptable_protocol.errors import MalformedMessageError
from cryptable_protocol.messages import client_spec as pb

Integers = npt.NDArray[np.int64]
MAX_AXES = 3
MOST = 1 << 14
"""Of any number of a window's, and of the inputs that one axis has."""
OUTSIDE = -1
"""Where a window reaches beyond the grid."""


@dataclass(frozen=True)
class WindowAxis:
    """One axis of a grid: tap number t of place number p lies at position p · stride + t · dilation − before.

    Attributes:
        extent: positions of the grid.
        taps: of a window.
        places: windows.
        stride: positions between the beginnings of windows.
        dilation: positions between taps.
        before: by how many positions the first window begins before the grid.
    """

    extent: int
    taps: int
    places: int
    stride: int
    dilation: int
    before: int

    def positions(self) -> Integers:
        """Shape (places, taps); OUTSIDE where there is none."""
        at = np.arange(self.places)[:, None] * self.stride + np.arange(self.taps) * self.dilation - self.before
        found: Integers = np.where((at >= 0) & (at < self.extent), at, OUTSIDE)
        return found


@dataclass(frozen=True)
class Windows:
    """Windows on a grid of several channels.

    Raises:
        MalformedMessageError: numbers that are no grid's.
    """

    channels: int
    axes: tuple[WindowAxis, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.axes) <= MAX_AXES:
            raise MalformedMessageError(
                f"squares parameters: windows of {len(self.axes)} axes, expected 1 .. {MAX_AXES}"
            )
        for axis in self.axes:
            *counts, before = self.channels, *astuple(axis)
            if min(counts) < 1 or max(*counts, before) > MOST or before < 0:
                raise MalformedMessageError(
                    f"squares parameters: windows of {self.channels} channels and {axis}, expected 1 .. {MOST}"
                )
        if max(self.inputs, self.taps, self.places) > MOST:
            raise MalformedMessageError(
                f"squares parameters: windows of {self.taps} taps at {self.places} places on {self.inputs} inputs, at "
                f"most {MOST} each"
            )

    @property
    def inputs(self) -> int:
        """Of the grid: its channels one after the other, the last axis running fastest."""
        return self.channels * math.prod(axis.extent for axis in self.axes)

    @property
    def taps(self) -> int:
        """Of a window, all channels together."""
        return self.channels * math.prod(axis.taps for axis in self.axes)

    @property
    def places(self) -> int:
        """Number of windows."""
        return math.prod(axis.places for axis in self.axes)

    @cached_property
    def table(self) -> Integers:
        """The input at each place and tap, shape (places, taps), both in the inputs' order; OUTSIDE for none."""
        cells = math.prod(axis.extent for axis in self.axes)
        found = np.zeros((1, 1), np.int64)
        for axis in self.axes:
            own = axis.positions()
            joined = found[:, None, :, None] * axis.extent + own[None, :, None, :]
            is_outside = (found == OUTSIDE)[:, None, :, None] | (own == OUTSIDE)[None, :, None, :]
            joined = np.where(is_outside, OUTSIDE, joined)
            found = joined.reshape(found.shape[0] * axis.places, found.shape[1] * axis.taps)
        each = found[:, None, :]
        of_channels = np.where(each == OUTSIDE, OUTSIDE, each + cells * np.arange(self.channels)[:, None])
        table: Integers = of_channels.reshape(found.shape[0], -1)
        return table

    def to_message(self) -> pb.SquaresWindows:
        """As protobuf."""
        axes = [
            pb.SquaresWindows.Axis(
                extent=axis.extent,
                taps=axis.taps,
                places=axis.places,
                stride=axis.stride,
                dilation=axis.dilation,
                before=axis.before,
            )
            for axis in self.axes
        ]
        return pb.SquaresWindows(channels=self.channels, axes=axes)

    @classmethod
    def from_message(cls, message: pb.SquaresWindows) -> Windows:
        """From protobuf; raises as the class."""
        return cls(
            message.channels,
            tuple(
                WindowAxis(axis.extent, axis.taps, axis.places, axis.stride, axis.dilation, axis.before)
                for axis in message.axes
            ),
        )
