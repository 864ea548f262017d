"""scikit-learn's random forests."""

from __future__ import annotations

from cryptable.importers.registry import importer
from cryptable.importers.sklearn_tree_reader import probability, read_averaged_trees
from cryptable.model_graph import AdditiveTrees, Estimator


@importer("sklearn.ensemble.RandomForestClassifier", reference=probability)
def read_classifier(estimator: Estimator, feature_names: tuple[str, ...]) -> AdditiveTrees:
    """Class probabilities."""
    return read_averaged_trees(estimator, estimator.estimators_, feature_names)


@importer("sklearn.ensemble.RandomForestRegressor", reference=lambda estimator, rows: estimator.predict(rows))
def read_regressor(estimator: Estimator, feature_names: tuple[str, ...]) -> AdditiveTrees:
    """Predictions."""
    return read_averaged_trees(estimator, estimator.estimators_, feature_names)
