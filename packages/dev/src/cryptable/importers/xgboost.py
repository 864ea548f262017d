"""XGBoost: classifiers, regressors and rankers of trees, boosted (also with DART) or random forests."""

from __future__ import annotations

import itertools
import json
from typing import Any, TypeAlias

import numpy as np
from cryptable_protocol import Link
from cryptable_protocol.encoding.links import REGRESSIONS

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.graph import LEAF, Estimator, FloatArray, IntArray, Tree, TreeEnsemble
from cryptable.importers.reading.covers import share_right
from cryptable.importers.reading.labels import categories_of, labels_of
from cryptable.importers.reading.learned_trees import (
    MISSING,
    CategoryColumn,
    LearnedTree,
    assemble,
    with_missing_number,
)
from cryptable.importers.registry import importer

Json: TypeAlias = dict[str, Any]

_CATEGORICAL = 1
_LOGARITHMIC = ("count:poisson", "reg:gamma", "reg:tweedie")
_LINKS = {
    "binary:logistic": Link.SIGMOID,
    "binary:logitraw": Link.SIGMOID,
    "binary:hinge": Link.MARGIN,
    "multi:softprob": Link.SOFTMAX,
    "multi:softmax": Link.SOFTMAX,
    "reg:squarederror": Link.IDENTITY,
    "reg:squaredlogerror": Link.IDENTITY,
    "reg:absoluteerror": Link.IDENTITY,
    "reg:pseudohubererror": Link.IDENTITY,
    "reg:quantileerror": Link.IDENTITY,
    "reg:logistic": Link.LOGISTIC,
    "rank:map": Link.IDENTITY,
    "rank:ndcg": Link.IDENTITY,
    "rank:pairwise": Link.IDENTITY,
} | dict.fromkeys(_LOGARITHMIC, Link.EXPONENTIAL)


@importer(
    "xgboost.XGBClassifier",
    "xgboost.XGBRanker",
    "xgboost.XGBRegressor",
    "xgboost.XGBRFClassifier",
    "xgboost.XGBRFRegressor",
    reference=lambda estimator, rows: estimator.predict(rows, output_margin=True),
    takes_gaps=True,
)
def read(estimator: Estimator, feature_names: tuple[str, ...]) -> TreeEnsemble:
    """Margins: trees up to the best iteration, base score included.

    With an objective of the user's own, the library predicts as with the one that the learner has kept.
    """
    what = type(estimator).__name__
    learner = json.loads(bytes(estimator.get_booster().save_raw("json")))["learner"]
    objective = str(learner["objective"]["name"] if callable(estimator.objective) else estimator.objective)
    if objective not in _LINKS:
        raise UnsupportedModelError(f"{what}: objective {objective} is not supported, only {', '.join(_LINKS)}")
    if estimator.booster not in (None, "gbtree", "dart"):
        raise UnsupportedModelError(f"{what}: booster {estimator.booster!r} is not supported, only 'gbtree' and 'dart'")
    link = _LINKS[objective]
    labels = None if link in REGRESSIONS else labels_of(estimator.classes_, what)
    model, weights = _forest(learner)
    used = _best_trees(estimator, model)
    base = _base_margins(learner["learner_model_param"], model, objective)
    columns = _category_columns(learner, model, feature_names, what)
    trees = [
        _tree(tree, output, base.shape[0], weight, columns)
        for tree, output, weight in zip(model["trees"][:used], model["tree_info"], weights, strict=False)
    ]
    if estimator.missing is not None and not np.isnan(estimator.missing):
        if columns:
            raise UnsupportedModelError(
                f"{what}: missing={estimator.missing} beside categories is not supported; fit with missing=nan"
            )
        trees = [with_missing_number(tree, np.float32(estimator.missing)) for tree in trees]
    return assemble(
        trees, feature_names=feature_names, base=base, link=link, labels=labels, as_float32=True, columns=columns
    )


def _forest(learner: Json) -> tuple[Json, list[float]]:
    """The trees, and each one's weight: DART drops trees by lowering theirs."""
    booster = learner["gradient_booster"]
    if booster["name"] == "dart":
        return booster["gbtree"]["model"], booster["weight_drop"]
    return booster["model"], [1.0] * len(booster["model"]["trees"])


def _best_trees(estimator: Estimator, model: Json) -> int:
    """Number of trees up to where early stopping found the best score."""
    try:
        best = int(estimator.best_iteration)
    except AttributeError:  # trained without early stopping
        return len(model["trees"])
    return int(model["iteration_indptr"][best + 1])


def _base_margins(parameters: Json, model: Json, objective: str) -> FloatArray:
    """The base scores, which are predictions, as margins; shape (outputs,)."""
    stored = json.loads(parameters["base_score"])
    scores: FloatArray = np.atleast_1d(np.asarray(stored, np.float32)).astype(np.float64)
    outputs = max(int(parameters["num_class"]), int(parameters.get("num_target", 1)), max(model["tree_info"]) + 1, 1)
    if objective in ("binary:logistic", "reg:logistic"):
        scores = np.log(scores) - np.log1p(-scores)
    elif objective in _LOGARITHMIC:
        scores = np.log(scores)
    return np.broadcast_to(scores, (outputs,)).copy()


def _category_columns(
    learner: Json, model: Json, feature_names: tuple[str, ...], what: str
) -> dict[int, CategoryColumn]:
    """A frame's categories, stored in the model; or codes, of which others than it knows go left."""
    stored = model.get("cats", {}).get("enc", [])
    columns = {}
    for feature, kind in enumerate(learner["feature_types"]):
        if kind not in ("c", "categorical"):
            continue
        encoded = stored[feature] if feature < len(stored) else {}
        if encoded.get("values"):
            values = categories_of(_stored_categories(encoded), f"{what}: feature {feature_names[feature]!r}")
            columns[feature] = CategoryColumn(values, takes_missing=True, takes_unknown=False)
            continue
        asked = [
            code for tree in model["trees"] for node, code in _codes(tree) if tree["split_indices"][node] == feature
        ]
        codes = tuple(range(max(asked, default=0) + 1))
        columns[feature] = CategoryColumn(codes, takes_missing=True, takes_unknown=True)
    return columns


def _stored_categories(encoded: Json) -> list[Any]:
    """Strings are one array of bytes, and where each begins; numbers are numbers."""
    values, offsets = encoded["values"], encoded.get("offsets")
    if offsets is None:
        return list(values)
    text = bytes(value & 0xFF for value in values)
    return [text[start:end].decode("utf-8") for start, end in itertools.pairwise(offsets)]


def _codes(tree: Json) -> list[tuple[int, int]]:
    """(node, category code) of all sets that a tree asks for."""
    return [
        (node, code)
        for node, start, size in zip(
            tree["categories_nodes"], tree["categories_segments"], tree["categories_sizes"], strict=True
        )
        for code in tree["categories"][start : start + size]
    ]


def _tree(tree: Json, output: int, outputs: int, weight: float, columns: dict[int, CategoryColumn]) -> LearnedTree:
    """Left where x < condition, in float32; right where the category is in the set. A leaf's condition is its value."""
    conditions: FloatArray = np.asarray(tree["split_conditions"], np.float32).astype(np.float64)
    left, right = (np.asarray(tree[side], np.int64) for side in ("left_children", "right_children"))
    inner = left >= 0
    feature: IntArray = np.where(inner, np.asarray(tree["split_indices"], np.int64), LEAF)
    values: FloatArray = np.zeros((left.shape[0], outputs))
    if int(tree["tree_param"]["size_leaf_vector"]) > 1:
        leaf_weights = np.asarray(tree["base_weights"], np.float32).astype(np.float64)
        values[:] = leaf_weights.reshape(-1, outputs) * weight
    else:
        values[~inner, output] = conditions[~inner] * weight
    missing = np.asarray(tree["default_left"], np.int8)
    right_sets: dict[int, set[int]] = {
        int(node): set() for node in np.flatnonzero(inner & (np.asarray(tree["split_type"]) == _CATEGORICAL))
    }
    for node, code in _codes(tree):
        right_sets[node].add(code)
    left_sets = {}
    for node, right_set in right_sets.items():
        left_set = set(columns[int(feature[node])].positions) - right_set - {MISSING}
        left_sets[node] = frozenset(left_set | {MISSING} if missing[node] else left_set)
    edges = np.where(inner, conditions, 0.0)
    left, right = np.where(inner, left, 0), np.where(inner, right, 0)
    share = share_right(left, right, np.asarray(tree["sum_hessian"], np.float64))
    return LearnedTree(Tree(feature, edges, left, right, values, share), missing, left_sets)
