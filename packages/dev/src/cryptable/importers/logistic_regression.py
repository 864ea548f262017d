"""scikit-learn's logistic regression: binary, and multinomial."""

from __future__ import annotations

from cryptable_protocol import Link

from cryptable.graphs.graph import Estimator, LinearModel
from cryptable.importers.reading.linear_classifier import decision_function, read_linear_classifier
from cryptable.importers.registry import importer


@importer(
    "sklearn.linear_model.LogisticRegression",
    "sklearn.linear_model.LogisticRegressionCV",
    reference=decision_function,
)
def read(estimator: Estimator, feature_names: tuple[str, ...]) -> LinearModel:
    """Log-odds of the second class, or logits of all; one against the rest where it was fitted so."""
    # scikit-learn before 1.8 has multi_class, and lets liblinear fit several classes, each against the rest.
    apart = getattr(estimator, "multi_class", "auto") == "ovr" or estimator.solver == "liblinear"
    link = Link.SIGMOID if len(estimator.classes_) == 2 or apart else Link.SOFTMAX
    return read_linear_classifier(estimator, feature_names, link)
