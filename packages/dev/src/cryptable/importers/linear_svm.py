"""scikit-learn's linear support vector classifier and its kin, which classify by margin alone."""

from __future__ import annotations

from cryptable_protocol import Link

from cryptable.graphs.graph import Estimator, LinearModel
from cryptable.importers.reading.linear_classifier import decision_function, read_linear_classifier
from cryptable.importers.registry import importer


@importer(
    "sklearn.svm.LinearSVC",
    "sklearn.linear_model.PassiveAggressiveClassifier",
    "sklearn.linear_model.Perceptron",
    "sklearn.linear_model.RidgeClassifier",
    "sklearn.linear_model.RidgeClassifierCV",
    reference=decision_function,
)
def read(estimator: Estimator, feature_names: tuple[str, ...]) -> LinearModel:
    """The margin of the second class, or of each class against the rest."""
    return read_linear_classifier(estimator, feature_names, Link.MARGIN)
