"""The tolerance of a score where none is asked for: by the scores' unit, and how much they vary."""

from __future__ import annotations

import math

import numpy as np
from cryptable_protocol import Link

from cryptable.graphs.additive import AdditiveModel
from cryptable.graphs.graph import FloatArray, ModelGraph
from cryptable.graphs.quadratic import QuadraticModel

LOG_ODDS_TOLERANCE = 0.05
PROBABILITY_TOLERANCE = 0.0125
"""The slope of the sigmoid is at most 1/4: no more than the tolerance of log-odds."""
RELATIVE_TOLERANCE = 0.02
"""Of the standard deviation of the scores, where they have a unit of their own."""


def default_tolerance(graph: ModelGraph, scores: FloatArray) -> float:
    """What `compile` documents, for scores of shape (rows, scores) on the calibration data."""
    if isinstance(graph, QuadraticModel):
        return math.inf  # precision is nearly free there: always the best there is
    match graph.link:
        case Link.SIGMOID | Link.SOFTMAX if isinstance(graph, AdditiveModel):
            # Every bin costs a ciphertext, and errors add up over features to the bound only in theory.
            return max(LOG_ODDS_TOLERANCE, RELATIVE_TOLERANCE * float(scores.std(axis=0).max()))
        case Link.SIGMOID | Link.SOFTMAX | Link.LOGISTIC:
            return LOG_ODDS_TOLERANCE
        case Link.PROBABILITY:
            return PROBABILITY_TOLERANCE
    if graph.link is Link.EXPONENTIAL:
        return RELATIVE_TOLERANCE
    spread = float(scores.std(axis=0).max())
    spread = spread or float(np.abs(scores).max()) or 1.0
    if graph.link is Link.MARGIN:
        return min(LOG_ODDS_TOLERANCE, RELATIVE_TOLERANCE * spread)
    return RELATIVE_TOLERANCE * spread
