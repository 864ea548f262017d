"""Tables over many integers that are steps: read from the upper bits of a multiple of the integer, exactly.

A quantizer behind a sum makes a table over all integers of the sum that is constant between thresholds. If a line
`intercept + slope * k` passes, for whole numbers k, within one unit below each threshold, then the steps are those of a
rounded multiple of the integer, and a lookup of as many bits as there are steps tells what the whole table does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog  # type: ignore[import-untyped]

from cryptable.graphs.graph import IntArray

MAX_WIDTH = 8
_FRACTIONS = 8
"""Steps may be as many times finer than the closest thresholds."""
_MOST_SHIFT = 20


@dataclass(frozen=True, eq=False)
class Staircase:
    """table[integer] = entries[(integer * multiplier + offset) >> shift] for every integer that it was made of."""

    multiplier: int
    offset: int
    shift: int
    entries: IntArray

    @property
    def width(self) -> int:
        """Bits of a position."""
        return max(1, int(len(self.entries) - 1).bit_length())

    def finer(self, shift: int) -> Staircase:
        """The same with a longer shift."""
        factor = 1 << (shift - self.shift)
        return Staircase(self.multiplier * factor, self.offset * factor, shift, self.entries)


def climb(table: IntArray, low: int) -> Staircase:
    """The shortest staircase of a table whose entry i belongs to the integer low + i.

    Where no line fits, one entry an integer is.
    """
    thresholds = low + 1 + np.flatnonzero(np.diff(table))
    if not thresholds.size:
        return Staircase(1, -low, max(1, len(table)).bit_length(), table[:1])
    best = Staircase(1, -low, 0, table)
    gaps = np.diff(thresholds)
    if not gaps.size:
        return _two_steps(table, low, int(thresholds[0])) or best
    closest = float(np.median(gaps[gaps <= 2 * gaps.min()]))
    for fraction in range(1, _FRACTIONS + 1):
        slope = closest / fraction
        if slope < 1.5:
            break
        found = _fitted(table, low, thresholds, slope)
        if found is not None:
            return found
    return best


def _two_steps(table: IntArray, low: int, threshold: int) -> Staircase | None:
    reach = max(threshold - low, low + len(table) - threshold)
    shift = int(reach - 1).bit_length() + 1
    return _verified(table, low, 2, (1 << shift) - 2 * threshold + 1, shift)


def _fitted(table: IntArray, low: int, thresholds: IntArray, slope: float) -> Staircase | None:
    steps = np.concatenate([[0], np.cumsum(np.maximum(1, np.rint(np.diff(thresholds) / slope)))])
    line = _line(thresholds, steps)
    if line is None:
        return None
    slope, intercept, margin = line
    ends = max(abs(low - intercept), abs(low + len(table) - intercept))
    for shift in range(1, _MOST_SHIFT + 1):
        multiplier = round((1 << shift) / slope)
        if multiplier and abs((1 << shift) / multiplier - slope) / slope * ends < margin:
            # Half a unit above a multiple of 2^shift lies the middle between a threshold and the integer below it.
            found = _verified(table, low, multiplier, (1 << shift) - round(intercept * multiplier), shift)
            if found is not None:
                return found
    return None


def _line(thresholds: IntArray, steps: IntArray) -> tuple[float, float, float] | None:
    """Slope, intercept and margin of the line that stays as far as it can from threshold - 1 and threshold."""
    ones = np.ones(len(steps))
    above = np.column_stack([-steps, -ones, ones])
    below = np.column_stack([steps, ones, ones])
    origin = float(thresholds[0])
    found = linprog(
        [0.0, 0.0, -1.0],
        A_ub=np.concatenate([above, below]),
        b_ub=np.concatenate([-(thresholds - origin - 1), thresholds - origin]),
        bounds=[(0, None), (None, None), (None, 0.5)],
        method="highs",
    )
    if found.status != 0 or found.x[2] <= 1e-6:
        return None
    slope, intercept, margin = map(float, found.x)
    return slope, intercept + origin, margin


def _verified(table: IntArray, low: int, multiplier: int, offset: int, shift: int) -> Staircase | None:
    """The staircase of these numbers if it gives the table back and needs fewer entries."""
    positions = ((low + np.arange(len(table))) * multiplier + offset) >> shift
    first = int(positions[0])
    count = int(positions[-1]) - first + 1
    if not 1 <= count <= len(table):
        return None
    entries = np.empty(count, np.int64)
    # A position that no integer falls on has the entry of the one below.
    entries[:] = table[np.maximum(np.searchsorted(positions - first, np.arange(count), side="right") - 1, 0)]
    if not (entries[positions - first] == table).all():
        return None
    return Staircase(multiplier, offset - (first << shift), shift, entries)
