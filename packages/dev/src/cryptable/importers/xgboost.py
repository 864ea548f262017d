"""XGBoost: classifiers and regressors of trees, boosted or random forests."""

from __future__ import annotations

from typing import Any

import numpy as np
import treelite
from cryptable_protocol import Link

from cryptable.errors import UnsupportedModelError
from cryptable.importers.labels import labels_of
from cryptable.importers.registry import importer
from cryptable.importers.treelite_reader import read_trees
from cryptable.model_graph import AdditiveTrees, FloatArray

_REGRESSION = ("reg:squarederror", "reg:absoluteerror", "reg:pseudohubererror", "reg:quantileerror")
_LINKS = {
    "binary:logistic": Link.SIGMOID,
    "binary:logitraw": Link.MARGIN,
    "multi:softprob": Link.SOFTMAX,
    "multi:softmax": Link.SOFTMAX,
} | dict.fromkeys(_REGRESSION, Link.IDENTITY)


def _margin(estimator: Any, rows: FloatArray) -> Any:
    return estimator.predict(rows, output_margin=True)


@importer(
    "xgboost.XGBClassifier",
    "xgboost.XGBRegressor",
    "xgboost.XGBRFClassifier",
    "xgboost.XGBRFRegressor",
    reference=_margin,
)
def read(estimator: Any, feature_names: tuple[str, ...]) -> AdditiveTrees:
    """Trees up to the best iteration, base score included."""
    what = type(estimator).__name__
    booster = estimator.get_booster()
    objective = estimator.objective if isinstance(estimator.objective, str) else "a function"
    if estimator.booster not in (None, "gbtree"):
        raise UnsupportedModelError(f"{what}: booster {estimator.booster!r} is not supported, only 'gbtree'")
    if objective not in _LINKS:
        raise UnsupportedModelError(f"{what}: objective {objective} is not supported, only {', '.join(_LINKS)}")
    link = _LINKS[objective]
    if getattr(estimator, "early_stopping_rounds", None) is not None:
        booster = booster[: estimator.best_iteration + 1]
    labels = None if link is Link.IDENTITY else labels_of(estimator.classes_, what)
    outputs = len(labels) if labels is not None and len(labels) > 2 else 1
    trees, base = read_trees(treelite.frontend.from_xgboost(booster), outputs=outputs, what=what, as_float32=True)
    return AdditiveTrees(feature_names, trees, np.asarray(base), link, labels, as_float32=True)
