"""MixedModel: a model graph whose scores are sums of a function of each feature: a line, a curve, or steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from cryptable_protocol import Labels, Link

from cryptable.additive_model import StepFunction
from cryptable.model_graph import FloatArray


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
class MixedModel:
    """score[j] = base[j] + the sum over lines, polylines and steps of what they add to score j.

    Each feature has one of them at most.
    """

    feature_names: tuple[str, ...]
    lines: tuple[Line, ...]
    polylines: tuple[Polyline, ...]
    steps: tuple[StepFunction, ...]
    base: FloatArray
    link: Link
    labels: Labels | None

    @property
    def outputs(self) -> int:
        """Scores a row."""
        return int(self.base.shape[0])

    def scores(self, rows: FloatArray) -> FloatArray:
        """Scores before the link, shape (rows, outputs), in double precision."""
        total = np.tile(self.base, (rows.shape[0], 1))
        for line in self.lines:
            total += rows[:, line.feature, None] * line.slopes
        for each in self.polylines:
            total += np.interp(rows[:, each.feature], each.knots, each.values)[:, None] * each.weights
        for step in self.steps:
            total += step.values[np.searchsorted(step.edges, rows[:, step.feature], side="right")]
        return total
