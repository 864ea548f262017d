"""scikit-learn's gradient boosting."""

from __future__ import annotations

import treelite
from cryptable_protocol import Link

from cryptable.errors import UnsupportedModelError
from cryptable.importers.labels import labels_of
from cryptable.importers.linear_classifier import decision_function
from cryptable.importers.registry import importer
from cryptable.importers.treelite_reader import read_trees
from cryptable.model_graph import AdditiveTrees, Estimator


@importer("sklearn.ensemble.GradientBoostingClassifier", reference=decision_function)
def read_classifier(estimator: Estimator, feature_names: tuple[str, ...]) -> AdditiveTrees:
    """Log-odds of the second class, or logits of all."""
    what = type(estimator).__name__
    if estimator.loss != "log_loss":
        raise UnsupportedModelError(f"{what}: loss {estimator.loss!r} is not supported, only 'log_loss'")
    labels = labels_of(estimator.classes_, what)
    outputs = 1 if len(labels) == 2 else len(labels)
    trees, base = read_trees(_import(estimator), outputs=outputs, what=what, as_float32=True)
    link = Link.SIGMOID if outputs == 1 else Link.SOFTMAX
    return AdditiveTrees(feature_names, trees, base, link, labels, as_float32=True)


@importer("sklearn.ensemble.GradientBoostingRegressor", reference=lambda estimator, rows: estimator.predict(rows))
def read_regressor(estimator: Estimator, feature_names: tuple[str, ...]) -> AdditiveTrees:
    """Predictions."""
    trees, base = read_trees(_import(estimator), outputs=1, what=type(estimator).__name__, as_float32=True)
    return AdditiveTrees(feature_names, trees, base, Link.IDENTITY, None, as_float32=True)


def _import(estimator: Estimator) -> treelite.Model:
    if estimator.init not in (None, "zero"):
        raise UnsupportedModelError(
            f"{type(estimator).__name__}: an estimator of your own as init= is not supported, only None or 'zero'"
        )
    return treelite.sklearn.import_model(estimator)
