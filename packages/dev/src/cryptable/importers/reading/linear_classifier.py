"""What all linear classifiers of scikit-learn share: their fitted attributes."""

from __future__ import annotations

import numpy as np
from cryptable_protocol import Link

from cryptable.graphs.graph import Estimator, FloatArray, LinearModel, Rows
from cryptable.importers.reading.labels import labels_of


def read_linear_classifier(estimator: Estimator, feature_names: tuple[str, ...], link: Link) -> LinearModel:
    """One score for two classes, else one a class."""
    labels = labels_of(estimator.classes_, type(estimator).__name__)
    coefficients = np.atleast_2d(np.asarray(estimator.coef_, np.float64)).T
    intercept = np.broadcast_to(np.asarray(estimator.intercept_, np.float64).reshape(-1), (coefficients.shape[1],))
    return LinearModel(feature_names, coefficients, np.array(intercept), link, labels)


def decision_function(estimator: Estimator, rows: Rows) -> FloatArray:
    """The estimator's own scores."""
    return np.asarray(estimator.decision_function(rows), np.float64)
