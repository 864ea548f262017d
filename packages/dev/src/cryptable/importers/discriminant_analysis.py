"""scikit-learn's discriminant analyses: linear and quadratic."""

from __future__ import annotations

import numpy as np
from cryptable_protocol import Link

from cryptable.graphs.graph import Estimator, LinearModel
from cryptable.graphs.quadratic_forms import QuadraticForms
from cryptable.importers.reading.labels import labels_of
from cryptable.importers.reading.linear_classifier import decision_function, read_linear_classifier
from cryptable.importers.registry import importer


@importer("sklearn.discriminant_analysis.LinearDiscriminantAnalysis", reference=decision_function)
def read(estimator: Estimator, feature_names: tuple[str, ...]) -> LinearModel:
    """Log-odds of the second class, or logits of all."""
    link = Link.SIGMOID if len(estimator.classes_) == 2 else Link.SOFTMAX
    return read_linear_classifier(estimator, feature_names, link)


@importer("sklearn.discriminant_analysis.QuadraticDiscriminantAnalysis", reference=decision_function)
def read_quadratic(estimator: Estimator, feature_names: tuple[str, ...]) -> QuadraticForms:
    """Log posteriors but for a constant: log prior - log|Σ| / 2 - (x - μ)ᵀ Σ⁻¹ (x - μ) / 2, Σ = R diag(s) Rᵀ.

    Of two classes, the second's over the first's.
    """
    labels = labels_of(estimator.classes_, type(estimator).__name__)
    whitening = [
        np.asarray(rotation, np.float64) * np.asarray(scaling, np.float64) ** -0.5
        for rotation, scaling in zip(estimator.rotations_, estimator.scalings_, strict=True)
    ]
    forms = np.stack([-0.5 * each @ each.T for each in whitening])
    means = np.asarray(estimator.means_, np.float64)
    centre = means.mean(axis=0)
    distance = means - centre
    turned = np.einsum("kfg,kg->kf", forms, distance)
    log_determinants = np.array([np.log(scaling).sum() for scaling in estimator.scalings_])
    constant = np.log(estimator.priors_) - 0.5 * log_determinants + (turned * distance).sum(axis=1)
    linear = -2 * turned
    if len(labels) == 2:
        forms, linear, constant = (part[1:] - part[:1] for part in (forms, linear, constant))
    link = Link.SIGMOID if len(labels) == 2 else Link.SOFTMAX
    return QuadraticForms(feature_names, centre, forms, linear.T, constant, link, labels)
