"""Which neighbouring bins of functions become one, and how an error is shared out so that few bins are left."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from cryptable.graphs.graph import FloatArray, IntArray

_CHOICES = 64
"""Errors that a function may have, from a part of a fair share to a multiple of it."""
_LEAST, _MOST = 1 / 16, 16.0
_UNITS = 2000
"""Into which the error is divided."""
_EXACT = 1e-9
"""Of a step: values are multiples of it to within so much."""


def merged(values: FloatArray, error: float, step: float) -> tuple[list[IntArray], FloatArray]:
    """Runs of bins along each axis but the last, that have multiples of `step` within `error` of all of their values.

    Along one axis alone, they are as few as can be. Multiples are counted from the least value of each output.

    Args:
        values: shape (bins, …, outputs).
        error: at least half a step.
        step: of values.

    Returns:
        Of each axis, the bin at which each run starts; and multiples of the step, from the least value on.
    """
    axes = tuple(range(values.ndim - 1))
    least = values.min(axis=axes)
    lows, highs = _multiples(values - least, np.array(error), step)
    starts = []
    for axis in axes:
        lows, highs = lows.swapaxes(0, axis), highs.swapaxes(0, axis)
        begins = _merge(lows, highs, tuple(range(values.ndim - 1)))
        first = np.flatnonzero(begins)
        ends = np.r_[first[1:], len(begins)] - 1
        lows, highs = lows[ends].swapaxes(0, axis), highs[ends].swapaxes(0, axis)
        starts.append(first)
    return starts, np.clip(np.rint((lows + highs) / 2), lows, highs) * step + least


def shares_of(functions: Sequence[FloatArray], total: float, step: float) -> FloatArray:
    """Of an error, what each function has of it, such that all together have the fewest bins.

    Args:
        functions: values of each, shape (bins, outputs).
        total: error of all together.
        step: of values; no error is less than half of it.
    """
    fair = total / max(1, len(functions))
    errors = np.maximum(fair * np.geomspace(_LEAST, _MOST, _CHOICES), step / 2)
    errors[np.argmin(np.abs(errors - fair))] = fair
    units = np.ceil(errors * (_UNITS / total) * (1 - _EXACT)).astype(np.int64)
    least = np.zeros(_UNITS + 1)
    chosen = []
    for values in functions:
        lows, highs = _multiples((values - values.min(axis=0))[:, None], errors[:, None], step)
        bins = _merge(lows, highs, (1,)).sum(axis=0)
        found, choice = np.full(_UNITS + 1, np.inf), np.zeros(_UNITS + 1, np.int64)
        for number, (unit, count) in enumerate(zip(units.tolist(), bins.tolist(), strict=True)):
            if unit <= _UNITS:
                with_it = np.r_[np.full(unit, np.inf), least[: _UNITS + 1 - unit] + count]
                choice = np.where(with_it < found, number, choice)
                found = np.minimum(found, with_it)
        least = found
        chosen.append(choice)
    if not np.isfinite(least[-1]):
        return np.full(len(functions), fair)
    left, shares = _UNITS, []
    for choice in reversed(chosen):
        number = int(choice[left])
        shares.append(float(errors[number]))
        left -= int(units[number])
    return np.array(shares[::-1])


def _multiples(values: FloatArray, error: FloatArray, step: float) -> tuple[FloatArray, FloatArray]:
    """The least and the greatest multiple of the step that is within the error of each value."""
    lows: FloatArray = np.ceil((values - error) / step - _EXACT)
    highs: FloatArray = np.floor((values + error) / step + _EXACT)
    return lows, highs


def _merge(lows: FloatArray, highs: FloatArray, axes: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """Whether a run starts at each place of the first axis; in place, the range of what its run has until there.

    Args:
        lows: least multiples,
        highs: and greatest ones: a run ends where they cross
        axes: anywhere along these, of what is behind the first axis.
    """
    begins = np.ones((len(lows), *np.delete(lows.shape[1:], axes)), np.bool_)
    for index in range(1, len(lows)):
        low, high = np.maximum(lows[index - 1], lows[index]), np.minimum(highs[index - 1], highs[index])
        apart = (low > high).any(axis=axes, keepdims=True)
        begins[index] = apart.reshape(begins.shape[1:])
        lows[index], highs[index] = np.where(apart, lows[index], low), np.where(apart, highs[index], high)
    return begins
