"""Estimators of `cryptable.neural`, whose networks are integers already. Compiling one loads no torch here."""

from __future__ import annotations

from dataclasses import replace

from cryptable.graphs.graph import Estimator, FloatArray, Rows
from cryptable.graphs.integer_squares import TrainedSquares
from cryptable.graphs.trained_integers import TrainedIntegers
from cryptable.importers.registry import importer


def _reference(estimator: Estimator, rows: Rows) -> FloatArray:
    scores: FloatArray = estimator.reference_scores(rows)
    return scores


@importer("cryptable.neural.base.QuantEstimator", reference=_reference)
def read(estimator: Estimator, feature_names: tuple[str, ...]) -> TrainedIntegers | TrainedSquares:
    """What the fitted module computes with."""
    found: TrainedIntegers | TrainedSquares = estimator.trained_integers()
    return replace(found, feature_names=feature_names)
