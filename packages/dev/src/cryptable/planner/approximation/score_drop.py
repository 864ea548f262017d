"""What an approximation within a budget scores less than the model itself, on the calibration data."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from cryptable_engine import Circuit, interpret
from cryptable_protocol import Decoder, FeatureEncoder, InvalidInputError, encode_rows

from cryptable.graphs.graph import Estimator, Rows
from cryptable.planner.planned_model import ScoreDrop


def judge(
    circuit: Circuit,
    features: tuple[FeatureEncoder, ...],
    decoder: Decoder,
    estimator: Estimator,
    rows: Rows,
    truth: npt.ArrayLike | None,
) -> ScoreDrop:
    """Compare a circuit's predictions with the estimator's: by the truth, or without it by each other.

    Args:
        circuit: with exact outputs.
        features: its encoders.
        decoder: of its outputs.
        estimator: the model itself.
        rows: calibration data, as the estimator takes them.
        truth: shape (rows,).
    """
    from sklearn.metrics import accuracy_score, r2_score

    after = decoder.predict(interpret(circuit, encode_rows(features, rows)))
    before = np.asarray(estimator.predict(rows)).reshape(after.shape)
    measure, score = ("accuracy", accuracy_score) if decoder.is_classifier else ("R²", r2_score)
    if truth is None:
        whose = "labels" if decoder.is_classifier else "predictions"
        return ScoreDrop(f"{measure} against the model's own {whose}", 1.0, float(score(before, after)))
    expected = np.asarray(truth)
    if expected.shape[0] != after.shape[0]:
        raise InvalidInputError(f"y_train has {expected.shape[0]} rows, X_train has {after.shape[0]}")
    return ScoreDrop(measure, float(score(expected, before)), float(score(expected, after)))
