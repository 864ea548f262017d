"""The tolerance of a score where none is asked for: by the scores' unit, and how much they vary."""

from __future__ import annotations

import numpy as np
from cryptable_protocol import Link

from cryptable.graphs.graph import FloatArray, ModelGraph

LOG_ODDS_TOLERANCE = 0.05
PROBABILITY_TOLERANCE = 0.0125
"""The slope of the sigmoid is at most 1/4: no more than the tolerance of log-odds."""
RELATIVE_TOLERANCE = 0.02
"""Of the standard deviation of the scores, where they have a unit of their own."""
_WEAK = 0.1
"""Of that of log-odds and probabilities, at most: a model that has hardly learned yet tells classes apart by less."""

_STEEP = 0.001
"""Of that of log-odds and margins, at least: scores of thousands, as columns that are not scaled make, need no more."""
_ROUNDING = 1e-12
"""Of the scores: what a sum of doubles may be off by."""


def by_link(graph: ModelGraph, scores: FloatArray) -> float:
    """What `compile` documents, for scores of shape (rows, scores) on the calibration data."""
    match graph.link:
        case Link.SIGMOID | Link.SOFTMAX | Link.LOGISTIC:
            return max(
                min(LOG_ODDS_TOLERANCE, _WEAK * deviation(scores) or LOG_ODDS_TOLERANCE), _STEEP * deviation(scores)
            )
        case Link.PROBABILITY:
            return min(PROBABILITY_TOLERANCE, _WEAK * deviation(scores) or PROBABILITY_TOLERANCE)
        case Link.EXPONENTIAL:
            return min(RELATIVE_TOLERANCE, _WEAK * deviation(scores) or RELATIVE_TOLERANCE)
    spread = (deviation if graph.labels else least_deviation)(scores) or float(np.abs(scores).max()) or 1.0
    if graph.link is Link.MARGIN:
        return max(min(LOG_ODDS_TOLERANCE, RELATIVE_TOLERANCE * spread), _STEEP * spread)
    return RELATIVE_TOLERANCE * spread


def deviation(scores: FloatArray) -> float:
    """The standard deviation of the score that varies most; 0 where scores differ by the rounding of doubles alone."""
    found = float(scores.std(axis=0).max())
    return found if found > _ROUNDING * float(np.abs(scores).max()) else 0.0


def deviations(scores: FloatArray) -> FloatArray:
    """Standard deviations of the scores, each by itself: predictions of several targets, each in a unit of its own.

    Those of classes are compared with one another, and so only `deviation` says what an error of theirs means.
    """
    found: FloatArray = scores.std(axis=0)
    return np.where(found > _ROUNDING * np.abs(scores).max(axis=0), found, 0.0)


def least_deviation(scores: FloatArray) -> float:
    """That of the score that varies least, of those that vary; 0 where none does."""
    found = deviations(scores)
    return float(found[found > 0].min(initial=np.inf)) if found.any() else 0.0
