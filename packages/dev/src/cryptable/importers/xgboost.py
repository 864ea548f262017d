"""XGBoost: classifiers and regressors of trees, boosted or random forests."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import treelite
from cryptable_protocol import Link

from cryptable.errors import UnsupportedModelError
from cryptable.importers.labels import labels_of
from cryptable.importers.registry import importer
from cryptable.importers.treelite_reader import read_trees
from cryptable.model_graph import AdditiveTrees, Estimator

Booster: TypeAlias = Any

_REGRESSION = ("reg:squarederror", "reg:absoluteerror", "reg:pseudohubererror")
_LINKS = {
    "binary:logistic": Link.SIGMOID,
    "binary:hinge": Link.MARGIN,
    "multi:softprob": Link.SOFTMAX,
    "multi:softmax": Link.SOFTMAX,
} | dict.fromkeys(_REGRESSION, Link.IDENTITY)


@importer(
    "xgboost.XGBClassifier",
    "xgboost.XGBRegressor",
    "xgboost.XGBRFClassifier",
    "xgboost.XGBRFRegressor",
    reference=lambda estimator, rows: estimator.predict(rows, output_margin=True),
)
def read(estimator: Estimator, feature_names: tuple[str, ...]) -> AdditiveTrees:
    """Trees up to the best iteration, base score included."""
    what = type(estimator).__name__
    objective = estimator.objective if isinstance(estimator.objective, str) else "a function"
    if objective not in _LINKS:
        raise UnsupportedModelError(f"{what}: objective {objective} is not supported, only {', '.join(_LINKS)}")
    if estimator.booster not in (None, "gbtree", "dart"):
        raise UnsupportedModelError(f"{what}: booster {estimator.booster!r} is not supported, only 'gbtree' and 'dart'")
    if estimator.missing is not None and not np.isnan(estimator.missing):
        raise UnsupportedModelError(
            f"{what}: missing={estimator.missing} makes that number mean a missing value, which is not supported; "
            "fit with missing=nan"
        )
    link = _LINKS[objective]
    labels = None if link is Link.IDENTITY else labels_of(estimator.classes_, what)
    outputs = len(labels) if labels is not None and len(labels) > 2 else 1
    model = treelite.frontend.from_xgboost(_best_iterations(estimator))
    trees, base = read_trees(model, outputs=outputs, what=what, as_float32=True)
    return AdditiveTrees(feature_names, trees, base, link, labels, as_float32=True)


def _best_iterations(estimator: Estimator) -> Booster:
    """The booster, up to where early stopping found the best score."""
    booster = estimator.get_booster()
    try:
        best = int(estimator.best_iteration)
    except AttributeError:  # trained without early stopping
        return booster
    return booster[: best + 1]
