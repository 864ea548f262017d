"""scikit-learn's random forests."""

from __future__ import annotations

from cryptable.graphs.graph import Estimator, TreeEnsemble
from cryptable.importers.reading.sklearn_trees import predictions, probability, read_averaged_trees
from cryptable.importers.registry import importer


@importer("sklearn.ensemble.RandomForestClassifier", reference=probability, takes_gaps=True)
def read_classifier(estimator: Estimator, feature_names: tuple[str, ...]) -> TreeEnsemble:
    """Class probabilities."""
    return read_averaged_trees(estimator, estimator.estimators_, feature_names)


@importer("sklearn.ensemble.RandomForestRegressor", reference=predictions, takes_gaps=True)
def read_regressor(estimator: Estimator, feature_names: tuple[str, ...]) -> TreeEnsemble:
    """Predictions."""
    return read_averaged_trees(estimator, estimator.estimators_, feature_names)
