"""LightGBM: classifiers, regressors and rankers, boosted (also with DART and GOSS) or random forests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from cryptable_protocol import InvalidInputError, Labels, Link
from cryptable_protocol.encoding.links import REGRESSIONS

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.graph import LEAF, Estimator, FloatArray, Rows, Tree, TreeEnsemble
from cryptable.graphs.transformed import Transformed, curve_of
from cryptable.importers.reading.labels import categories_of, labels_of
from cryptable.importers.reading.learned_trees import (
    EITHER,
    LEFT,
    MISSING,
    RIGHT,
    UNKNOWN,
    CategoryColumn,
    LearnedTree,
    assemble,
)
from cryptable.importers.registry import importer

Node: TypeAlias = dict[str, Any]

_ZERO = float(np.float32(1e-35))
"""LightGBM takes numbers of at most this size for zero."""
_CUSTOM = "custom"
_LINKS = {
    "binary": Link.SIGMOID,
    "multiclass": Link.SOFTMAX,
    "multiclassova": Link.SIGMOID,
    "regression": Link.IDENTITY,
    "regression_l1": Link.IDENTITY,
    "huber": Link.IDENTITY,
    "fair": Link.IDENTITY,
    "quantile": Link.IDENTITY,
    "mape": Link.IDENTITY,
    "poisson": Link.EXPONENTIAL,
    "gamma": Link.EXPONENTIAL,
    "tweedie": Link.EXPONENTIAL,
    "cross_entropy": Link.LOGISTIC,
    "lambdarank": Link.IDENTITY,
    "rank_xendcg": Link.IDENTITY,
}


def _reference(estimator: Estimator, rows: Rows) -> FloatArray:
    raw = np.asarray(estimator.predict(rows, raw_score=True), np.float64)
    booster = estimator.booster_
    if booster.dump_model(num_iteration=1)["average_output"]:  # of a random forest, raw scores are still sums
        raw = raw / (estimator.best_iteration_ or booster.current_iteration())
    return raw * _objective(estimator).slope


@importer(
    "lightgbm.LGBMClassifier",
    "lightgbm.LGBMRanker",
    "lightgbm.LGBMRegressor",
    reference=_reference,
    needs_rows=True,
    takes_gaps=True,
)
def read(
    estimator: Estimator, feature_names: tuple[str, ...], *, kept: Rows, rows: object, may_miss: object
) -> TreeEnsemble | Transformed:
    """Raw scores, times the slope of the objective's sigmoid; trees up to the best iteration.

    A custom objective leaves them as they are, and then `predict` of a classifier gives them too.
    """
    del rows, may_miss
    what = type(estimator).__name__
    objective = _objective(estimator)
    link = Link.IDENTITY if objective.name == _CUSTOM else _LINKS[objective.name]
    has_labels = hasattr(estimator, "classes_") and objective.name != _CUSTOM
    labels: Labels | None = labels_of(estimator.classes_, what) if has_labels else None
    if (labels is None) != (link in REGRESSIONS):
        raise UnsupportedModelError(f"{what}: objective {objective.name!r} is not supported for it")
    classes = len(getattr(estimator, "classes_", ()))
    outputs = classes if classes > 2 else 1
    dump = estimator.booster_.dump_model()
    structures = [each["tree_structure"] for each in dump["tree_info"]]
    columns = _category_columns(estimator, structures, feature_names, kept)
    scale = objective.slope * (outputs / len(structures) if dump["average_output"] else 1.0)
    trees = []
    for index, structure in enumerate(structures):
        reader = _TreeReader(columns, outputs, index % outputs, scale, what)
        reader.read(structure)
        trees.append(reader.tree())
    graph = assemble(
        trees,
        feature_names=feature_names,
        base=np.zeros(outputs),
        link=link,
        labels=labels,
        as_float32=False,
        columns=columns,
    )
    if not objective.is_of_roots:
        return graph
    return Transformed(graph, curve_of(lambda roots: roots * np.abs(roots), _reference(estimator, kept), what=what))


@dataclass(frozen=True)
class _Objective:
    """Its name, the slope of its sigmoid, and whether targets were replaced by their roots (reg_sqrt)."""

    name: str
    slope: float = 1.0
    is_of_roots: bool = False


def _objective(estimator: Estimator) -> _Objective:
    if callable(estimator.objective):
        return _Objective(_CUSTOM)
    name, *options = str(estimator.booster_.dump_model(num_iteration=1).get("objective", _CUSTOM)).split()
    if name not in _LINKS:
        what = type(estimator).__name__
        raise UnsupportedModelError(f"{what}: objective {name} is not supported, only {', '.join(_LINKS)}")
    slope = [float(each.partition(":")[2]) for each in options if each.startswith("sigmoid:")]
    return _Objective(name, slope[0] if slope else 1.0, "sqrt" in options)


def _category_columns(
    estimator: Estimator, structures: list[Node], feature_names: tuple[str, ...], kept: Rows
) -> dict[int, CategoryColumn]:
    """Columns of categories: a frame's, with the categories that it was fitted on, and others that a tree asks for."""
    what = type(estimator).__name__
    columns = {}
    in_frame = estimator.booster_.pandas_categorical or []
    if in_frame:
        dtypes = list(getattr(kept, "dtypes", ()))
        features = [feature for feature, dtype in enumerate(dtypes) if str(dtype) == "category"]
        if len(features) != len(in_frame):
            raise InvalidInputError(
                f"X_train has {len(features)} columns of dtype 'category', but {what} was fitted on {len(in_frame)}; "
                "give the frame that it was fitted on"
            )
        for feature, categories in zip(features, in_frame, strict=True):
            values = categories_of(categories, f"{what}: feature {feature_names[feature]!r}")
            columns[feature] = CategoryColumn(values, takes_missing=True, takes_unknown=True)
    asked: dict[int, int] = {}
    for structure in structures:
        for node in _inner_nodes(structure):
            if node["decision_type"] == "==":
                feature = node["split_feature"]
                asked[feature] = max(asked.get(feature, 0), *map(int, node["threshold"].split("||")))
    for feature, highest in asked.items():
        if feature not in columns:
            columns[feature] = CategoryColumn(tuple(range(highest + 1)), takes_missing=True, takes_unknown=True)
    return columns


def _inner_nodes(structure: Node) -> Iterator[Node]:
    stack = [structure]
    while stack:
        node = stack.pop()
        if "split_feature" in node:
            yield node
            stack += [node["left_child"], node["right_child"]]


def _share_right(node: Node) -> float:
    """Of a node's training rows."""
    low, high = (_count(node[side]) for side in ("left_child", "right_child"))
    return high / (low + high) if low + high else 0.5


def _count(node: Node) -> float:
    """Rows that came to a node; a tree of one leaf has none."""
    return float(node["internal_count"] if "split_feature" in node else node.get("leaf_count", 0))


class _TreeReader:
    """Writes one tree's nodes down as arrays."""

    def __init__(self, columns: dict[int, CategoryColumn], outputs: int, output: int, scale: float, what: str) -> None:
        self._columns, self._outputs, self._output, self._scale, self._what = columns, outputs, output, scale, what
        self._nodes: list[tuple[int, float, int, int, float, int]] = []
        self._goes_right: list[float] = []
        self._left_sets: dict[int, frozenset[int]] = {}

    def tree(self) -> LearnedTree:
        """What has been read."""
        feature, edge, left, right, value, missing = zip(*self._nodes, strict=True)
        values: FloatArray = np.zeros((len(self._nodes), self._outputs))
        values[:, self._output] = np.array(value) * self._scale
        indices = [np.array(part, np.int64) for part in (feature, left, right)]
        share = np.array(self._goes_right, np.float64)
        tree = Tree(indices[0], np.array(edge, np.float64), indices[1], indices[2], values, share)
        return LearnedTree(tree, np.array(missing, np.int8), self._left_sets)

    def read(self, node: Node) -> int:
        """Index of a node."""
        if "leaf_value" in node:
            if "leaf_coeff" in node:
                raise UnsupportedModelError(f"{self._what}: linear_tree=True is not supported")
            return self._write(value=float(node["leaf_value"]))
        feature = int(node["split_feature"])
        if feature in self._columns:
            return self._read_set(node, feature)
        edge = float(np.nextafter(float(node["threshold"]), np.inf))  # x <= t is x < the next double
        if node["missing_type"] == "Zero":
            return self._read_zero_aside(node, feature, edge)
        default_left = node["default_left"] if node["missing_type"] == "NaN" else edge > 0  # else NaN is read as 0
        index = self._write(
            feature=feature, edge=edge, missing=LEFT if default_left else RIGHT, goes_right=_share_right(node)
        )
        return self._join(index, self.read(node["left_child"]), self.read(node["right_child"]))

    def _read_set(self, node: Node, feature: int) -> int:
        known = len(self._columns[feature].categories)
        if node["decision_type"] == "==":
            left_set = set(map(int, node["threshold"].split("||")))  # all others, unknown and missing, go right
        else:  # a frame's categories, taken as numbers
            left_set = {position for position in range(known) if position <= float(node["threshold"])}
            default_left = node["default_left"] if node["missing_type"] == "NaN" else float(node["threshold"]) >= 0
            left_set |= {MISSING, UNKNOWN} if default_left else set()
        index = self._write(feature=feature, goes_right=_share_right(node))
        self._left_sets[index] = frozenset(left_set)
        return self._join(index, self.read(node["left_child"]), self.read(node["right_child"]))

    def _read_zero_aside(self, node: Node, feature: int, edge: float) -> int:
        """Zeros, and what is read as zero, go the default way: tests for above zero and for below, then the edge's."""
        # How many were zero is not counted: both tests count as if all rows came to one that compares with the edge.
        above = self._write(feature=feature, edge=float(np.nextafter(_ZERO, np.inf)), missing=LEFT, goes_right=1.0)
        below = self._write(feature=feature, edge=-_ZERO, missing=RIGHT, goes_right=0.0)
        left, right = self.read(node["left_child"]), self.read(node["right_child"])
        share = _share_right(node)
        sides = [self._write(feature=feature, edge=edge, missing=EITHER, goes_right=share) for _ in range(2)]
        for side in sides:
            self._join(side, left, right)
        self._join(above, below, sides[1])
        self._join(below, sides[0], left if node["default_left"] else right)
        return above

    def _write(
        self,
        *,
        feature: int = LEAF,
        edge: float = 0.0,
        value: float = 0.0,
        missing: int = EITHER,
        goes_right: float = 0.5,
    ) -> int:
        self._nodes.append((feature, edge, 0, 0, value, missing))
        self._goes_right.append(goes_right)
        return len(self._nodes) - 1

    def _join(self, index: int, left: int, right: int) -> int:
        feature, edge, _, _, value, missing = self._nodes[index]
        self._nodes[index] = (feature, edge, left, right, value, missing)
        return index
