"""scikit-learn's linear discriminant analysis."""

from __future__ import annotations

from cryptable_protocol import Link

from cryptable.graphs.graph import Estimator, LinearModel
from cryptable.importers.reading.linear_classifier import decision_function, read_linear_classifier
from cryptable.importers.registry import importer


@importer("sklearn.discriminant_analysis.LinearDiscriminantAnalysis", reference=decision_function)
def read(estimator: Estimator, feature_names: tuple[str, ...]) -> LinearModel:
    """Log-odds of the second class, or logits of all."""
    link = Link.SIGMOID if len(estimator.classes_) == 2 else Link.SOFTMAX
    return read_linear_classifier(estimator, feature_names, link)
