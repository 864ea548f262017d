"""Activations as a line, plus a function that repeats with the other sign: what a table that is turned can hold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cryptable.graphs.graph import FloatArray, IntArray
from cryptable.planner.levelled.one_layer.hidden_layer import HiddenLayer

_POINTS = 513
"""At which functions are looked at to choose how they are taken apart."""
_RATIOS = np.linspace(1.0, 0.5, 21)
"""Of a table's reach to the range of sums: below 1, both halves of a turn are used."""
_ENDS = 16
"""Of the points, at each end: where the slopes of the ends are taken."""
_UNSEEN = 0.05
"""Weight of sums that calibration data did not have, all together."""
_BEYOND = np.linspace(0.0, 0.25, 11)
"""Parts of the range by which new sums may lie beyond it."""


@dataclass(frozen=True, eq=False)
class Tables:
    """f_k(z) = slope z + constant + h_k(z), with h_k(z + positions · step) = −h_k(z); all of shape (neurons,).

    Attributes:
        positions: of a table.
        low: the sum at position 0.
        step: of the sums, a position.
        slope: of the line.
        constant: of the line.
        mean_slope: of h_k, over the sums that occur.
        bend: deviation of that slope: what a sum that is off does, beside what lines make up for.
        values: h_k at positions 0 … positions − 1, shape (positions, neurons).
    """

    positions: int
    low: FloatArray
    step: FloatArray
    slope: FloatArray
    constant: FloatArray
    mean_slope: FloatArray
    bend: FloatArray
    values: FloatArray

    def turned(self, first: IntArray) -> FloatArray:
        """Tables that begin at these positions, of any sign: shape (positions, neurons)."""
        place = np.arange(self.positions)[:, None] + first
        sign = np.where(place // self.positions % 2, -1.0, 1.0)
        found: FloatArray = sign * np.take_along_axis(self.values, place % self.positions, axis=0)
        return found


def tables_of(
    layer: HiddenLayer,
    sums: FloatArray,
    low: FloatArray,
    high: FloatArray,
    positions: int,
    blur: float,
    beyond: float = 0.0,
) -> Tables:
    """Each neuron's function over a range of sums, taken apart so that it errs least.

    A function with f(z) + f(z + L) on one line, as ReLU (with slope 1/2), tanh and all steps (with none) have it, needs
    half the steps for the same range; others use one half of a turn, or some of the other where little is lost.

    Args:
        layer: of which the functions are.
        sums: that occur, shape (rows, neurons).
        low: least sum that has a position of its own, shape (neurons,).
        high: greatest one, likewise.
        positions: of a table.
        blur: deviation of positions about their exact place, in positions.
        beyond: share of new sums that lie beyond the range.
    """
    along = np.linspace(0.0, 1.0, _POINTS)[:, None]
    points = low + along * (high - low)
    values = layer.function(points)
    density = _density(sums, low, high)
    slopes = np.gradient(values, axis=0) / np.where(high > low, (high - low) / (_POINTS - 1), 1.0)
    mean = np.sum(density * slopes, axis=0)
    spread = np.sum(density * (slopes - mean) ** 2, axis=0)
    ends = (slopes[:_ENDS].mean(axis=0) + slopes[-_ENDS:].mean(axis=0)) / 2
    best = np.full(layer.neurons, np.inf)
    ratio, slope, constant = np.ones(layer.neurons), np.zeros(layer.neurons), np.zeros(layer.neurons)
    for tried in (np.zeros(layer.neurons), ends):
        rest = values - tried * points
        for reach in _RATIOS:
            missed, middle = _missed(rest, density, reach)
            if reach == 1:
                middle = (rest[0] + rest[-1]) / 2
            step = reach * (high - low) / (positions - 1)
            error = missed + (step * blur) ** 2 * spread
            error += beyond * _missed_beyond(layer, tried, middle, low, high, reach)
            better = error < best * (1 - 1e-9)
            best = np.where(better, error, best)
            ratio = np.where(better, reach, ratio)
            slope, constant = np.where(better, tried, slope), np.where(better, middle, constant)
    step = np.where(high > low, ratio * (high - low) / (positions - 1), 1.0)
    centres = low + np.arange(2 * positions)[:, None] * step
    inside = (centres <= high + step / 2) | (np.arange(2 * positions) < positions)[:, None]
    rest = layer.function(np.where(inside, centres, low)) - slope * centres - constant
    weight = np.where(inside, _at(density, (centres - low) / np.where(high > low, high - low, 1.0)), 0.0)
    weight[:positions] += 1e-12
    held = weight[:positions] * rest[:positions] - weight[positions:] * rest[positions:]
    table = held / (weight[:positions] + weight[positions:])
    return Tables(positions, low, step, slope, constant, mean - slope, np.sqrt(spread), table)


def _missed(rest: FloatArray, density: FloatArray, reach: float) -> tuple[FloatArray, FloatArray]:
    """Mean squared error of repeating with the other sign after `reach` of the points, and the constant for which."""
    shift = round(reach * (_POINTS - 1))
    first, second = rest[: _POINTS - shift], rest[shift:]
    weight = density[: _POINTS - shift] + density[shift:]
    pair = (first + second) / 2
    middle = np.sum(weight * pair, axis=0) / weight.sum(axis=0)
    if shift == _POINTS - 1:  # one half of a turn holds all
        return np.zeros_like(middle), np.zeros_like(middle)
    return np.sum(weight * (pair - middle) ** 2, axis=0), middle


def _missed_beyond(
    layer: HiddenLayer, slope: FloatArray, middle: FloatArray, low: FloatArray, high: FloatArray, reach: float
) -> FloatArray:
    """Mean squared error a little beyond the range, where sums read what stands for others; 0 where none is known."""
    half = reach * (high - low)
    beyond = _BEYOND[:, None] * (high - low)

    def rest(sums: FloatArray) -> FloatArray:
        found: FloatArray = layer.function(sums) - slope * sums - middle
        return found

    above, below = high + beyond, low - beyond
    is_whole_turn = above >= low + 2 * half  # where they are read as they are, without another sign
    with np.errstate(all="ignore"):  # as powers of what is negative there
        high_side = rest(above) + np.where(is_whole_turn, -rest(above - 2 * half), rest(above - half))
        low_side = rest(below) + rest(below + half)
        found = (np.square(high_side) + np.square(low_side)).mean(axis=0) / 2
    return np.where(np.isfinite(found), found, 0.0)


def _density(sums: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    """Of the points, how often sums are near: shape (points, neurons), adding up to 1."""
    place = np.clip(np.rint((sums - low) / np.where(high > low, high - low, 1.0) * (_POINTS - 1)), 0, _POINTS - 1)
    count = np.zeros((_POINTS, sums.shape[1]))
    np.add.at(count, (place.astype(np.int64), np.arange(sums.shape[1])), 1.0)
    smooth = np.pad(count, ((4, 4), (0, 0)))
    count = sum((smooth[shift : shift + _POINTS] for shift in range(9)), np.zeros_like(count))
    found: FloatArray = (1 - _UNSEEN) * count / count.sum(axis=0) + _UNSEEN / _POINTS
    found /= found.sum(axis=0)
    return found


def _at(density: FloatArray, along: FloatArray) -> FloatArray:
    place = np.clip(np.rint(along * (_POINTS - 1)), 0, _POINTS - 1).astype(np.int64)
    found: FloatArray = np.take_along_axis(density, place, axis=0)
    return found
