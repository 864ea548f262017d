"""scikit-learn's elliptic envelope: how far a row is from the centre of a robust covariance."""

from __future__ import annotations

import numpy as np
from cryptable_protocol import Link

from cryptable.graphs.graph import Estimator
from cryptable.graphs.quadratic_forms import QuadraticForms
from cryptable.importers.reading.linear_classifier import decision_function
from cryptable.importers.registry import importer


@importer("sklearn.covariance.EllipticEnvelope", reference=decision_function)
def read(estimator: Estimator, feature_names: tuple[str, ...]) -> QuadraticForms:
    """-(x - location)ᵀ precision (x - location) - offset_: positive for inliers, label 1, and else not, label -1.

    score_samples is that plus offset_. Rows are judged that are unlike all of the calibration data, so encoders reach
    as far as inliers do.
    """
    precision = np.asarray(estimator.get_precision(), np.float64)
    features = len(feature_names)
    return QuadraticForms(
        feature_names,
        np.asarray(estimator.location_, np.float64),
        -(precision + precision.T)[None] / 2,
        np.zeros((features, 1)),
        np.array([-float(estimator.offset_)]),
        Link.MARGIN,
        (-1, 1),
        reaches_positive=True,
    )
