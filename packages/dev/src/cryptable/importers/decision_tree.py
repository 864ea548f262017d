"""scikit-learn's single trees."""

from __future__ import annotations

from cryptable.graphs.graph import Estimator, TreeEnsemble
from cryptable.importers.reading.sklearn_trees import predictions, probability, read_averaged_trees
from cryptable.importers.registry import importer


@importer("sklearn.tree.DecisionTreeClassifier", reference=probability, takes_gaps=True)
def read_classifier(estimator: Estimator, feature_names: tuple[str, ...]) -> TreeEnsemble:
    """Class probabilities."""
    return read_averaged_trees(estimator, [estimator], feature_names)


@importer("sklearn.tree.DecisionTreeRegressor", reference=predictions, takes_gaps=True)
def read_regressor(estimator: Estimator, feature_names: tuple[str, ...]) -> TreeEnsemble:
    """Predictions."""
    return read_averaged_trees(estimator, [estimator], feature_names)
