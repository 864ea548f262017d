"""CurveModel: a model graph whose scores are sums of a function of each feature: a line, a curve, or steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from cryptable_protocol import CategoricalEncoder, Labels, Link
from cryptable_protocol.encoding.rows import read_columns

from cryptable.graphs.additive import StepFunction
from cryptable.graphs.graph import MISSING_EDGE, FloatArray, Gaps, Rows


@dataclass(frozen=True, eq=False)
class Line:
    """Adds slopes * x to the scores; `slopes` has shape (outputs,).

    `missing` is what a missing value adds instead, shape (outputs,); None where none is taken.
    """

    feature: int
    slopes: FloatArray
    missing: FloatArray | None = None


@dataclass(frozen=True, eq=False)
class Polyline:
    """Adds weights * y to the scores, where y goes straight from knot to knot, and is constant beyond the outer ones.

    `knots` is strictly increasing, shape (knots,), as is `values` in shape; `weights` has shape (outputs,). `missing`
    is what a missing value adds instead, shape (outputs,); None where none is taken.
    """

    feature: int
    knots: FloatArray
    values: FloatArray
    weights: FloatArray
    missing: FloatArray | None = None


@dataclass(frozen=True, eq=False)
class CurveModel:
    """score[j] = base[j] + the sum over lines, polylines and steps of what they add to score j.

    Each feature has one of them at most. `gaps` are those of the columns, by index, that hold more than finite numbers:
    steps are of levels where they are categories, and reach MISSING_EDGE for a missing number.
    """

    feature_names: tuple[str, ...]
    lines: tuple[Line, ...]
    polylines: tuple[Polyline, ...]
    steps: tuple[StepFunction, ...]
    base: FloatArray
    link: Link
    labels: Labels | None
    gaps: Mapping[int, Gaps] = field(default_factory=dict)

    @property
    def outputs(self) -> int:
        """Scores a row."""
        return int(self.base.shape[0])

    def columns(self, rows: Rows) -> dict[int, FloatArray]:
        """The columns that the scores depend on, by index: numbers of shape (rows,), NaN where one is missing.

        Of categories, their levels.
        """
        parts: tuple[Line | Polyline | StepFunction, ...] = (*self.lines, *self.polylines, *self.steps)
        used = {each.feature for each in parts}
        categories = {index: gaps for index, gaps in self.gaps.items() if isinstance(gaps, CategoricalEncoder)}
        numeric = [index in used and index not in categories for index in range(len(self.feature_names))]
        columns = read_columns(self.feature_names, rows, numeric=numeric, text=bool(categories))
        levels = {index: gaps.levels_of(columns[index]).astype(np.float64) for index, gaps in categories.items()}
        return {index: levels.get(index, columns[index]) for index in used}

    def one_by_one(self) -> list[tuple[int, CurveModel]]:
        """For each line, polyline and step, its feature and a model of nothing else, whose base is 0."""
        empty = replace(self, lines=(), polylines=(), steps=(), base=np.zeros(self.outputs))
        alone = [(each.feature, replace(empty, lines=(each,))) for each in self.lines]
        alone += [(each.feature, replace(empty, polylines=(each,))) for each in self.polylines]
        return alone + [(each.feature, replace(empty, steps=(each,))) for each in self.steps]

    def scores(self, rows: Rows) -> FloatArray:
        """Scores before the link, shape (rows, outputs), in double precision."""
        columns = self.columns(rows)
        total = np.tile(self.base, (rows.shape[0], 1))
        for line in self.lines:
            column = columns[line.feature]
            total += _or_missing(column, column[:, None] * line.slopes, line.missing)
        for each in self.polylines:
            column = columns[each.feature]
            heights = np.interp(column, each.knots, each.values)
            total += _or_missing(column, heights[:, None] * each.weights, each.missing)
        for step in self.steps:
            column = columns[step.feature]
            reached = np.where(np.isnan(column), MISSING_EDGE, column)
            total += step.values[np.searchsorted(step.edges, reached, side="right")]
        return total


def _or_missing(column: FloatArray, added: FloatArray, missing: FloatArray | None) -> FloatArray:
    return added if missing is None else np.where(np.isnan(column)[:, None], missing, added)
