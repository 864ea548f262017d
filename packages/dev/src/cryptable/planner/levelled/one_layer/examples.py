"""Rows that plans of one hidden layer are fitted to, and others that they are judged by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cryptable.graphs.graph import FloatArray, IntArray
from cryptable.planner.levelled.one_layer.hidden_layer import HiddenLayer
from cryptable.planner.levelled.one_layer.nearby_rows import nearby_rows

_MOST_ROWS = 500
"""Of calibration data, that candidates are compared on."""
_ENOUGH = 2000
"""Rows that plans are fitted to: where there are fewer, rows nearby are added."""
_MOST_NEARBY = 500
"""Likewise to those that candidates are compared on."""


@dataclass(frozen=True, eq=False)
class Examples:
    """Rows and the network's own scores.

    Attributes:
        rows: calibration data, shape (rows, features).
        fitted: it and rows nearby, shape (more rows, features).
        fitted_scores: theirs, shape (more rows, outputs).
        judged: of calibration data, and other rows nearby that nothing is fitted to; shape (fewer rows, features).
        scores: of the judged, shape (fewer rows, outputs).
        own: how many of the judged are calibration data, and first.
        spread: deviation of the score that varies most.
    """

    rows: FloatArray
    fitted: FloatArray
    fitted_scores: FloatArray
    judged: FloatArray
    scores: FloatArray
    own: int
    spread: float


def examples(layer: HiddenLayer, rows: FloatArray, reference: FloatArray) -> Examples:
    """Of calibration data, shape (rows, features), with the network's scores, shape (rows, outputs)."""
    chosen: IntArray = np.linspace(0, len(rows) - 1, min(len(rows), _MOST_ROWS)).astype(np.int64)
    count = max(0, _ENOUGH - len(rows))
    further, others = nearby_rows(rows, count, seed=0), nearby_rows(rows, min(count, _MOST_NEARBY), seed=1)
    with np.errstate(all="ignore"):
        of_further, of_others = layer.scores(further), layer.scores(others)
    if not (np.isfinite(of_further).all() and np.isfinite(of_others).all()):  # as powers of what is negative here
        further, of_further, others, of_others = further[:0], of_further[:0], others[:0], of_others[:0]
    return Examples(
        rows,
        np.concatenate([rows, further]),
        np.concatenate([reference, of_further]),
        np.concatenate([rows[chosen], others]),
        np.concatenate([reference[chosen], of_others]),
        len(chosen),
        spread(reference),
    )


def spread(reference: FloatArray) -> float:
    """Deviation of the score that varies most."""
    return float(reference.std(axis=0).max()) or float(np.abs(reference).max()) or 1.0
