"""Functions of single features as curves that a client's encoder has: sampled where they bend, and where they jump."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from cryptable_protocol import PolylineEncoder

from cryptable.graphs.bends import Knots, Tries, bends, straightened
from cryptable.graphs.graph import FloatArray

CLOSE, CLOSE_TO_SCORES = 2.0**-13, 2.0**-16
"""Of a function's range on calibration data: how far its curve may be off. Lookups read some 8 bits of it, and scores
as many as their tolerance asks for."""
_TOO_FAR = 2.0**-10
"""Likewise: a curve that is further off is none."""
_BEYOND = 1.0
"""How far a curve reaches beyond the calibration data, and beyond the function's values there, of their range."""
_COARSER = 4.0
_GRID, _SAMPLES = 97, 256
_MOST_TRIED = 1 << 14
"""Knots before those that lie on lines are left out: a jump takes some 60 to be found."""


@dataclass(frozen=True, eq=False)
class Curve:
    """A function of one number: straight between `knots`, constant beyond; off by `error` at most where tried."""

    knots: FloatArray
    values: FloatArray
    error: float

    def encoder(self, name: str, lower: float, step: float, levels: int) -> PolylineEncoder:
        """Its values as integers: value = lower + step * integer, clipped to 0 .. levels - 1."""
        knots, heights = _crossings(self.knots, (self.values - lower) / step, float(levels - 1))
        heights = np.clip(heights, 0, levels - 1)
        # Between equal heights at both ends there is nothing to say.
        same = (heights[1:-1] == heights[:-2]) & (heights[1:-1] == heights[2:])
        kept = np.flatnonzero(np.concatenate([[True], ~same, [True]]))
        return PolylineEncoder(name, tuple(knots[kept].tolist()), tuple(heights[kept].tolist()), levels)


def _crossings(knots: FloatArray, heights: FloatArray, top: float) -> tuple[FloatArray, FloatArray]:
    """With knots where lines cross 0 and `top`, beyond which heights are clipped."""
    for level in (0.0, top):
        over = (heights[:-1] - level) * (heights[1:] - level) < 0
        along = (level - heights[:-1][over]) / np.diff(heights)[over]
        crossed = knots[:-1][over] + along * np.diff(knots)[over]
        new = (crossed > knots[:-1][over]) & (crossed < knots[1:][over])
        every = np.concatenate([knots, crossed[new]])
        order = np.argsort(every, kind="stable")
        knots = every[order]
        heights = np.concatenate([heights, np.full(int(new.sum()), level)])[order]
    return knots, heights


def curves_of(
    variables: Callable[[FloatArray], FloatArray],
    rows: FloatArray,
    functions: Sequence[tuple[int, int]],
    close: FloatArray,
    *,
    most: int,
) -> list[Curve | None]:
    """The curve of each function, or None where more knots than an encoder has would not be enough.

    Args:
        variables: of rows, shape (rows, features) to (rows, variables); functions of one feature are among them.
        rows: calibration data, shape (rows, features).
        functions: the feature, and the variable, of each.
        close: how far each curve may be off, as a part of the function's range on the rows; shape (functions,).
        most: knots of a curve.
    """
    values = variables(rows)[:, [variable for _, variable in functions]]
    low, high = values.min(axis=0), values.max(axis=0)
    span = np.where(high > low, high - low, np.maximum(np.abs(low), 1.0))
    by_feature: dict[int, list[int]] = {}
    for index, (feature, _) in enumerate(functions):
        by_feature.setdefault(feature, []).append(index)
    tries: dict[int, Tries] = {}
    for feature, mine in by_feature.items():
        column = np.unique(rows[:, feature])
        seen = column[np.linspace(0, column.size - 1, min(column.size, _SAMPLES)).astype(np.int64)]
        width = float(column[-1] - column[0]) or max(abs(float(column[0])), 1.0)
        grid = np.linspace(column[0] - _BEYOND * width, column[-1] + _BEYOND * width, _GRID)
        tries[feature] = _defined(np.union1d(grid, seen), column, (close * span)[mine])
    found = _asked(tries, variables, rows, functions, by_feature, (low - _BEYOND * span, high + _BEYOND * span))
    curves: list[Curve | None] = [None] * len(functions)
    for feature, mine in by_feature.items():
        for place, index in enumerate(mine):
            curves[index] = _curve(found[feature], place, float(close[index] * span[index]), float(span[index]), most)
    return curves


def _defined(start: FloatArray, seen: FloatArray, tolerance: FloatArray) -> Tries:
    """As `bends`, on those of the first knots around the data where all functions are numbers."""
    values = yield start
    undefined = np.isnan(values).any(axis=1)
    below, above = start[undefined & (start < seen[0])], start[undefined & (start > seen[-1])]
    kept = (start > below.max(initial=-np.inf)) & (start < above.min(initial=np.inf)) & ~undefined
    return (yield from bends(start[kept], seen, tolerance, _MOST_TRIED))


def _asked(
    tries: dict[int, Tries],
    variables: Callable[[FloatArray], FloatArray],
    rows: FloatArray,
    functions: Sequence[tuple[int, int]],
    by_feature: dict[int, list[int]],
    ends: tuple[FloatArray, FloatArray],
) -> dict[int, Knots]:
    """All features at once: each takes its own numbers in the same rows, since no function reads two of them."""
    asked = {feature: next(each) for feature, each in tries.items()}
    found: dict[int, Knots] = {}
    while asked:
        given = np.repeat(rows[:1], max(numbers.size for numbers in asked.values()), axis=0)
        for feature, numbers in asked.items():
            given[: numbers.size, feature] = numbers
        with np.errstate(all="ignore"):
            values = variables(given)
        following = {}
        for feature, numbers in asked.items():
            mine = by_feature[feature]
            own = values[: numbers.size, [functions[index][1] for index in mine]]
            try:
                following[feature] = tries[feature].send(np.clip(own, ends[0][mine], ends[1][mine]))
            except StopIteration as stopped:
                found[feature] = stopped.value
        asked = following
    return found


def _curve(found: Knots, place: int, tolerance: float, span: float, most: int) -> Curve | None:
    """As near as asked for, or as many knots allow."""
    values, sampled = found.values[:, place], float(found.error[place])
    while sampled + tolerance <= _TOO_FAR * span:
        kept = straightened(found.numbers, values, tolerance)
        if kept.size <= most // 2:  # crossings of the ends of the encoder's range may take as many again
            return Curve(found.numbers[kept], values[kept], sampled + tolerance)
        tolerance *= _COARSER
    return None
