"""CurveModel: a model graph whose scores are sums of a function of each feature: a line, a curve, or steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from cryptable_protocol import CategoricalEncoder, Labels, Link

from cryptable.graphs.additive import StepFunction
from cryptable.graphs.graph import FloatArray, Gaps


@dataclass(frozen=True, eq=False)
class Line:
    """Adds slopes * x to the scores; `slopes` has shape (outputs,)."""

    feature: int
    slopes: FloatArray


@dataclass(frozen=True, eq=False)
class Polyline:
    """Adds weights * y to the scores, where y goes straight from knot to knot, and is constant beyond the outer ones.

    `knots` is strictly increasing, shape (knots,), as is `values` in shape; `weights` has shape (outputs,).
    """

    feature: int
    knots: FloatArray
    values: FloatArray
    weights: FloatArray


@dataclass(frozen=True, eq=False)
class CurveModel:
    """score[j] = base[j] + the sum over lines, polylines and steps of what they add to score j.

    Each feature has one of them at most. `gaps` are those of the columns, by index, that hold categories: steps are of
    their levels.
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

    def column(self, rows: npt.NDArray[Any], feature: int) -> FloatArray:
        """One column as numbers, of categories their levels."""
        gaps = self.gaps.get(feature)
        if isinstance(gaps, CategoricalEncoder):
            return gaps.levels_of(rows[:, feature]).astype(np.float64)
        return rows[:, feature].astype(np.float64)

    def scores(self, rows: npt.NDArray[Any]) -> FloatArray:
        """Scores before the link, shape (rows, outputs), in double precision."""
        total = np.tile(self.base, (rows.shape[0], 1))
        for line in self.lines:
            total += self.column(rows, line.feature)[:, None] * line.slopes
        for each in self.polylines:
            total += np.interp(self.column(rows, each.feature), each.knots, each.values)[:, None] * each.weights
        for step in self.steps:
            total += step.values[np.searchsorted(step.edges, self.column(rows, step.feature), side="right")]
        return total
