"""scikit-learn's SGDOneClassSVM: a linear one-class machine."""

from __future__ import annotations

import numpy as np
from cryptable_protocol import Link

from cryptable.graphs.graph import Estimator, LinearModel
from cryptable.importers.reading.linear_classifier import decision_function
from cryptable.importers.registry import importer


@importer("sklearn.linear_model.SGDOneClassSVM", reference=decision_function)
def read(estimator: Estimator, feature_names: tuple[str, ...]) -> LinearModel:
    """What is positive for inliers, label 1, and else not, label -1."""
    weights = np.asarray(estimator.coef_, np.float64)[:, None]
    return LinearModel(feature_names, weights, -np.asarray(estimator.offset_, np.float64), Link.MARGIN, (-1, 1))
