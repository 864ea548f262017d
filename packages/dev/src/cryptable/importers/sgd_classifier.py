"""scikit-learn's SGDClassifier, whose loss says whether its scores are log-odds."""

from __future__ import annotations

from cryptable_protocol import Link

from cryptable.graphs.graph import Estimator, LinearModel
from cryptable.importers.reading.linear_classifier import decision_function, read_linear_classifier
from cryptable.importers.registry import importer


@importer("sklearn.linear_model.SGDClassifier", reference=decision_function)
def read(estimator: Estimator, feature_names: tuple[str, ...]) -> LinearModel:
    """Log-odds under `log_loss`, one against the rest where there are several classes; else margins."""
    link = Link.SIGMOID if estimator.loss == "log_loss" else Link.MARGIN
    return read_linear_classifier(estimator, feature_names, link)
