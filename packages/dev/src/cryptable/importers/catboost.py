"""CatBoost: classifiers, regressors and rankers. By lookups, a symmetric tree of depth 4 is one of 4 bits."""

from __future__ import annotations

import ast
import inspect
import json
import re
import tempfile
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from cryptable_protocol import InvalidInputError, Link
from cryptable_protocol.encoding.links import REGRESSIONS

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.graph import LEAF, Estimator, FloatArray, IntArray, Rows, Tree, TreeEnsemble
from cryptable.importers.reading.covers import share_right, summed_cover
from cryptable.importers.reading.labels import categories_of, labels_of
from cryptable.importers.reading.learned_trees import EITHER, LEFT, RIGHT, CategoryColumn, LearnedTree, assemble
from cryptable.importers.registry import importer

Split: TypeAlias = dict[str, Any]

_RANKS = (
    "LambdaMart",
    "PairLogit",
    "PairLogitPairwise",
    "QueryCrossEntropy",
    "QueryRMSE",
    "QuerySoftMax",
    "StochasticRank",
    "YetiRank",
    "YetiRankPairwise",
)
"""Losses whose raw values order the rows of a query."""
_LINKS = {
    "Logloss": Link.SIGMOID,
    "CrossEntropy": Link.SIGMOID,
    "MultiClass": Link.SOFTMAX,
    "MultiClassOneVsAll": Link.SIGMOID,
    "RMSE": Link.IDENTITY,
    "MAE": Link.IDENTITY,
    "MAPE": Link.IDENTITY,
    "RMSPE": Link.IDENTITY,
    "Quantile": Link.IDENTITY,
    "Expectile": Link.IDENTITY,
    "Huber": Link.IDENTITY,
    "Lq": Link.IDENTITY,
    "MultiRMSE": Link.IDENTITY,
    "LogLinQuantile": Link.EXPONENTIAL,
    "Poisson": Link.EXPONENTIAL,
    "Tweedie": Link.EXPONENTIAL,
    **dict.fromkeys(_RANKS, Link.IDENTITY),
}


def _reference(estimator: Estimator, rows: Rows) -> FloatArray:
    takes_kind = "prediction_type" in inspect.signature(estimator.predict).parameters  # a ranker predicts raw values
    options = {"prediction_type": "RawFormulaVal"} if takes_kind else {}
    return np.asarray(estimator.predict(rows, **options), np.float64)


@importer(
    "catboost.CatBoostClassifier",
    "catboost.CatBoostRanker",
    "catboost.CatBoostRegressor",
    reference=_reference,
    needs_rows=True,
    takes_gaps=True,
)
def read(
    estimator: Estimator, feature_names: tuple[str, ...], *, kept: Rows, rows: object, may_miss: object
) -> TreeEnsemble:
    """Raw formula values."""
    del rows, may_miss
    what = type(estimator).__name__
    dump = json.loads(_export(estimator, "json"))
    loss = dump["model_info"]["params"]["loss_function"]["type"]
    if loss not in _LINKS:
        raise UnsupportedModelError(f"{what}: loss_function {loss!r} is not supported, only {', '.join(_LINKS)}")
    link = _LINKS[loss]
    labels = None if link in REGRESSIONS else labels_of(estimator.classes_, what)
    scale, bias = dump["scale_and_bias"]
    reader = _Reader(estimator, dump["features_info"], feature_names, kept, float(scale), len(bias))
    if "oblivious_trees" in dump:
        trees = [reader.symmetric(each) for each in dump["oblivious_trees"]]
    else:
        trees = [reader.grown(each) for each in dump["trees"]]
    return assemble(
        trees,
        feature_names=feature_names,
        base=np.array(bias, np.float64),
        link=link,
        labels=labels,
        as_float32=True,
        columns=reader.columns,
    )


def _export(estimator: Estimator, kind: str, pool: Any = None) -> str:  # noqa: ANN401  (catboost.Pool)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        estimator.save_model(str(path), format=kind, pool=pool)
        return path.read_text(encoding="utf-8")


class _Reader:
    """Reads trees; knows which column a split asks for, and the categories of columns.

    Categories are known to CatBoost by a hash, whose strings are those of the calibration data.
    """

    def __init__(
        self,
        estimator: Estimator,
        features: dict[str, Any],
        feature_names: tuple[str, ...],
        kept: Rows,
        scale: float,
        outputs: int,
    ) -> None:
        self._what = type(estimator).__name__
        self._scale, self._outputs = scale, outputs
        self._feature_names = feature_names
        self._number_columns: dict[int, tuple[int, int]] = {}
        for each in features.get("float_features", ()):
            missing = RIGHT if each["nan_value_treatment"] == "AsTrue" else LEFT  # "AsIs": NaN is above no border
            self._number_columns[each["feature_index"]] = (each["flat_feature_index"], missing)
        self._category_columns: dict[int, int] = {}
        self.columns: dict[int, CategoryColumn] = {}
        self._position_of: dict[int, dict[int, int]] = {}
        categorical = features.get("categorical_features", ())
        hashes = _hashes(estimator, kept) if any("values" in each for each in categorical) else {}
        for each in categorical:
            feature = self._category_columns[each["feature_index"]] = each["flat_feature_index"]
            self._add_column(feature, kept, hashes if "values" in each else {})

    def _add_column(self, feature: int, kept: Rows, hashes: dict[str, int]) -> None:
        column = np.asarray(kept.iloc[:, feature] if hasattr(kept, "iloc") else np.asarray(kept)[:, feature], object)
        present = sorted(set(column.tolist()), key=str)
        values = categories_of(present, f"{self._what}: feature {self._feature_names[feature]!r}")
        self.columns[feature] = CategoryColumn(values, takes_missing=False, takes_unknown=True)
        if hashes:  # else no split asks for the column
            self._position_of[feature] = {hashes[str(value)]: position for position, value in enumerate(values)}

    def _test(self, split: Split) -> tuple[int, float, int, frozenset[int] | None]:
        """Column, edge, where a missing value goes, and the positions that go left; left is where the test fails."""
        match split["split_type"]:
            case "FloatFeature":
                column, missing = self._number_columns[split["float_feature_index"]]
                border = np.float32(split["border"])
                return column, float(np.nextafter(border, np.float32(np.inf))), missing, None  # x > border is x >= that
            case "OneHotFeature":
                column = self._category_columns[split["cat_feature_index"]]
                position = self._position_of.get(column, {}).get(split["value"] & 0xFFFFFFFF)
                if position is None:
                    raise InvalidInputError(
                        f"X_train: {self._what} asks for a category of feature {self._feature_names[column]!r} that "
                        "X_train does not hold; give rows with all categories that it was fitted on"
                    )
                return column, 0.0, EITHER, frozenset(self.columns[column].positions) - {position}
            case kind:
                raise UnsupportedModelError(
                    f"{self._what}: a split of kind {kind!r} counts targets by category, which takes tables of its "
                    "training data; fit with one_hot_max_size= at least its number of categories, or encode it before"
                    if "Ctr" in kind
                    else f"{self._what}: a split of kind {kind!r} is not supported"
                )

    def symmetric(self, tree: dict[str, Any]) -> LearnedTree:
        """One test a level; bit j of a leaf's index says whether test j holds."""
        tests = [self._test(split) for split in tree["splits"] or ()]
        depth = len(tests)
        count = (2 << depth) - 1
        level: IntArray = np.floor(np.log2(np.arange(count) + 1)).astype(np.int64)
        inner = level < depth
        values: FloatArray = np.zeros((count, self._outputs))
        leaves = np.arange(1 << depth)
        reversed_bits = sum((leaves >> bit & 1) << (depth - 1 - bit) for bit in range(depth)) + np.zeros_like(leaves)
        values[~inner] = self._leaf_values(tree["leaf_values"]).reshape(1 << depth, -1)[reversed_bits]
        of_level = [(LEAF, 0.0, EITHER)] * (depth + 1)
        of_level[:depth] = [test[:3] for test in tests]
        feature, edge, missing = (np.array(part)[level] for part in zip(*of_level, strict=True))
        left: IntArray = np.where(inner, 2 * np.arange(count) + 1, 0).astype(np.int64)
        right: IntArray = np.where(inner, 2 * np.arange(count) + 2, 0).astype(np.int64)
        sets = {node: found for node in range(count) if inner[node] and (found := tests[level[node]][3]) is not None}
        share = None
        if "leaf_weights" in tree:
            weights = np.zeros(count)
            weights[~inner] = np.asarray(tree["leaf_weights"], np.float64)[reversed_bits]
            share = share_right(left, right, summed_cover(left, right, inner, weights))
        tree_read = Tree(feature.astype(np.int64), edge.astype(np.float64), left, right, values, share)
        return LearnedTree(tree_read, missing.astype(np.int8), sets)

    def grown(self, root: dict[str, Any]) -> LearnedTree:
        """A tree of any shape: of grow_policy "Depthwise" or "Lossguide"."""
        nodes: list[tuple[int, float, int]] = []
        children: list[list[int]] = []
        values: list[FloatArray] = []
        weights: list[float] = []
        sets: dict[int, frozenset[int]] = {}

        def add(node: dict[str, Any]) -> int:
            index = len(nodes)
            children.append([0, 0])
            weights.append(float(node.get("weight", 0.0)))
            if "split" not in node:
                nodes.append((LEAF, 0.0, EITHER))
                values.append(self._leaf_values(node["value"]))
                return index
            column, edge, missing, left_set = self._test(node["split"])
            nodes.append((column, edge, missing))
            values.append(np.zeros(self._outputs))
            if left_set is not None:
                sets[index] = left_set
            children[index] = [add(node["left"]), add(node["right"])]
            return index

        add(root)
        feature, edge, missing = (np.array(part) for part in zip(*nodes, strict=True))
        sides = np.array(children, np.int64)
        left, right = sides[:, 0], sides[:, 1]
        share = None
        if any(weights):
            share = share_right(left, right, summed_cover(left, right, feature != LEAF, weights))
        tree = Tree(feature.astype(np.int64), edge.astype(np.float64), left, right, np.stack(values), share)
        return LearnedTree(tree, missing.astype(np.int8), sets)

    def _leaf_values(self, values: float | list[float]) -> FloatArray:
        return np.atleast_1d(np.asarray(values, np.float64)) * self._scale


def _hashes(estimator: Estimator, kept: Rows) -> dict[str, int]:
    """Hash by category, of the columns of categories: CatBoost writes it into the Python code of a symmetric model."""
    from catboost import CatBoost, Pool  # type: ignore[import-untyped]

    pool = Pool(kept, label=np.arange(len(kept)), cat_features=estimator.get_cat_feature_indices())
    smallest = CatBoost({"iterations": 1, "depth": 1, "logging_level": "Silent", "allow_writing_files": False})
    text = _export(smallest.fit(pool), "python", pool)
    found = re.search(r"cat_features_hashes = (\{.*?\n\})", text, re.DOTALL)
    return {} if found is None else {key: value & 0xFFFFFFFF for key, value in ast.literal_eval(found[1]).items()}
