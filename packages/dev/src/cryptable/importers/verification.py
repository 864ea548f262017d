"""Every import is verified: the graph's float scores against the estimator's own, on the calibration data."""

from __future__ import annotations

import numpy as np

from cryptable.errors import ImportMismatchError
from cryptable.graphs.graph import FloatArray, ModelGraph
from cryptable.graphs.neighbors import NeighborsModel

_RELATIVE = 1e-4
_ABSOLUTE = 1e-5
"""Libraries that add leaves up in float32 are off by about 1e-7 of the sum, more where large leaves cancel."""


def verify_import(graph: ModelGraph, rows: FloatArray, reference: FloatArray, *, what: str) -> float:
    """Compare.

    Args:
        graph: what the importer made.
        rows: calibration data, shape (rows, features).
        reference: the estimator's own scores, shape (rows, outputs).
        what: the estimator, for the message.

    Returns:
        The largest difference.

    Raises:
        ImportMismatchError: another number of scores, or a score that differs by more than float32 sums explain.
    """
    scores = graph.scores(rows)
    if scores.shape != reference.shape:
        raise ImportMismatchError(
            f"{what} gives scores of shape {reference.shape}, the imported graph {scores.shape}; "
            "please report this model"
        )
    difference = np.abs(scores - reference)
    if isinstance(graph, NeighborsModel):
        difference[graph.ties(rows)] = 0.0  # libraries choose between equally near rows as their search happens to
    allowed = _ABSOLUTE + _RELATIVE * max(1.0, float(np.abs(reference).max(initial=0.0)))
    worst = np.unravel_index(int(np.argmax(difference)), difference.shape)
    if not difference[worst] <= allowed:
        row, output = map(int, worst)
        raise ImportMismatchError(
            f"{what}: in row {row} of the calibration data, score {output} is {reference[worst]:.6g}, but the imported "
            f"graph gives {scores[worst]:.6g} (allowed difference {allowed:.2g}). Nothing was compiled; "
            "please report this model"
        )
    return float(difference[worst])
