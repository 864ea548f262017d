"""Transformed: a model graph whose predictions are the heights of a curve at its scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from cryptable_protocol import Decoder, Labels, Link
from cryptable_protocol.limits import MAX_KNOTS

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.client_side import ClientSide
from cryptable.graphs.graph import FloatArray, Rows

_BEYOND = 1.0
"""How far a curve reaches beyond the scores of the calibration data, on both sides, relative to their range."""
_CLOSE = 1e-6
"""Largest error of a curve, relative to the range of its heights."""
_FIRST = 65


@dataclass(frozen=True)
class ScoreCurve:
    """Straight between scores, which are strictly increasing; constant beyond the outer ones."""

    scores: tuple[float, ...]
    predictions: tuple[float, ...]

    @property
    def slope(self) -> float:
        """Where it is steepest."""
        return float(np.abs(np.diff(self.predictions) / np.diff(self.scores)).max())


@dataclass(frozen=True, eq=False)
class Transformed(ClientSide):
    """A regression: `curve` of the graph's scores."""

    curve: ScoreCurve

    @property
    def link(self) -> Link:
        """What the scores mean."""
        return Link.CURVE

    @property
    def labels(self) -> Labels | None:
        """None: of a regression."""
        return None

    @property
    def outputs(self) -> int:
        """Scores a row."""
        outputs: int = self.graph.outputs
        return outputs

    def scores(self, rows: Rows) -> FloatArray:
        """Scores before the curve, shape (rows, outputs)."""
        scores: FloatArray = self.graph.scores(rows)
        return scores

    def decoder(self, planned: Decoder) -> Decoder:
        """With the curve."""
        return replace(planned, link=Link.CURVE, curve=(self.curve.scores, self.curve.predictions))


def curve_of(function: Callable[[FloatArray], FloatArray], scores: FloatArray, *, what: str) -> ScoreCurve:
    """A function of one score as a curve: knots are added where it is furthest from straight.

    Args:
        function: of numbers of shape (numbers,).
        scores: of the calibration data, shape (rows,).
        what: whose it is, for messages.

    Raises:
        UnsupportedModelError: it is not finite at a score of the calibration data.
    """
    low, high = float(scores.min()), float(scores.max())
    width = _BEYOND * (high - low or max(abs(low), 1.0))
    knots = np.unique(np.concatenate([np.linspace(low - width, high + width, _FIRST), scores[:_FIRST]]))
    with np.errstate(all="ignore"):
        heights = function(knots)
        seen = (knots >= low) & (knots <= high)
        if not np.isfinite(heights[seen]).all():
            raise UnsupportedModelError(f"{what}: its inverse is not finite for predictions like those of X_train")
        bad = ~np.isfinite(heights)
        first = int(np.flatnonzero(bad & (knots < low)).max(initial=-1)) + 1
        last = int(np.flatnonzero(bad & (knots > high)).min(initial=knots.size))
        knots, heights = knots[first:last], heights[first:last]
        close = _CLOSE * max(float(np.ptp(heights)), 1e-300)
        while True:
            middles = knots[:-1] + np.diff(knots) / 2
            at_middles = function(middles)
            off = np.abs(at_middles - np.interp(middles, knots, heights))
            worst = np.flatnonzero((off > close) & (middles > knots[:-1]) & np.isfinite(at_middles))
            worst = worst[np.argsort(-off[worst])][: MAX_KNOTS - knots.size]
            if not worst.size:
                break
            knots, order = np.unique(np.concatenate([knots, middles[worst]]), return_index=True)
            heights = np.concatenate([heights, at_middles[worst]])[order]
    return ScoreCurve(tuple(knots.tolist()), tuple(heights.tolist()))
