"""The float model graph: what an importer reads out of a fitted estimator, and what the planner starts from."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
from cryptable_protocol import CategoricalEncoder, Labels, Link, Missing
from cryptable_protocol.encoding.rows import read_columns

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

Estimator: TypeAlias = Any
"""A fitted estimator of some library: they have no base class in common."""
Rows: TypeAlias = Any
"""Rows as the user has them: an array, or a frame with named columns."""

LEAF = -1
MISSING_EDGE = sys.float_info.max
"""The edge that a missing value alone reaches, in a column where it counts as the highest."""
_HIGHEST_NUMBER = float(np.nextafter(MISSING_EDGE, 0.0))

Gaps: TypeAlias = Missing | CategoricalEncoder
"""How a column that is more than finite numbers is read: LOWEST or HIGHEST says where a missing number stands (a tree
may ask for it by MISSING_EDGE where it is the highest); a category is read as its level."""


@dataclass(frozen=True, eq=False)
class Tree:
    """A binary tree by node: row x goes right at node i where x[feature[i]] >= edge[i]. Node 0 is the root.

    `feature` is LEAF in a leaf. `left` and `right` are node indices; `values` has shape (nodes, outputs) and is
    read in leaves. `goes_right` is the share of each node's training rows that went right there, shape (nodes,), where
    the library counted them.
    """

    feature: IntArray
    edge: FloatArray
    left: IntArray
    right: IntArray
    values: FloatArray
    goes_right: FloatArray | None = None

    def leaf_of(self, rows: FloatArray) -> IntArray:
        """Index of the leaf that each row falls into, shape (rows,)."""
        node = np.zeros(rows.shape[0], np.int64)
        while True:
            inner = np.flatnonzero(self.feature[node] != LEAF)
            if not inner.size:
                return node
            at = node[inner]
            goes_right = rows[inner, self.feature[at]] >= self.edge[at]
            node[inner] = np.where(goes_right, self.right[at], self.left[at])

    @property
    def leaves(self) -> int:
        """How many it has."""
        return int(np.count_nonzero(self.feature == LEAF))

    @property
    def scores_added_to(self) -> int:
        """How many of the outputs it says anything about."""
        return int(np.count_nonzero(np.any(self.values != 0, axis=0)))


@dataclass(frozen=True, eq=False)
class TreeEnsemble:
    """score[j] = base[j] + the sum over trees of their leaf's values[j].

    Numbers are rounded to float32 before they meet an edge where `as_float32`, as the library itself does. `gaps` are
    those of the columns, by index, that hold more than finite numbers. `tie_is_second`: at the threshold of
    its one score, the model itself predicts the second label.
    """

    feature_names: tuple[str, ...]
    trees: tuple[Tree, ...]
    base: FloatArray
    link: Link
    labels: Labels | None
    as_float32: bool
    gaps: Mapping[int, Gaps] = field(default_factory=dict)
    tie_is_second: bool = False

    @property
    def outputs(self) -> int:
        """Scores a row."""
        return int(self.base.shape[0])

    @property
    def leaves(self) -> int:
        """Leaves, counted once for each score that their tree adds to."""
        return sum(tree.leaves * tree.scores_added_to for tree in self.trees)

    def seen(self, rows: Rows) -> FloatArray:
        """What the trees' edges are compared with: finite numbers, shape (rows, features)."""
        categorical = [isinstance(self.gaps.get(index), CategoricalEncoder) for index in range(len(self.feature_names))]
        numeric = [not each for each in categorical]
        columns = read_columns(self.feature_names, rows, numeric=numeric, text=any(categorical))
        return np.stack([self._seen(index, column) for index, column in enumerate(columns)], axis=1)

    def _seen(self, index: int, column: npt.NDArray[Any]) -> FloatArray:
        gaps = self.gaps.get(index)
        if isinstance(gaps, CategoricalEncoder):
            return gaps.levels_of(column).astype(np.float64)
        if self.as_float32:
            with np.errstate(over="ignore"):  # beyond float32's range: above every edge
                column = column.astype(np.float32).astype(np.float64)
        missing = -MISSING_EDGE if gaps is Missing.LOWEST else MISSING_EDGE
        return np.where(np.isnan(column), missing, np.clip(column, -_HIGHEST_NUMBER, _HIGHEST_NUMBER))

    def scores(self, rows: Rows) -> FloatArray:
        """Scores before the link, shape (rows, outputs), in double precision."""
        seen = self.seen(rows)
        total = np.tile(self.base, (rows.shape[0], 1))
        for tree in self.trees:
            total += tree.values[tree.leaf_of(seen)]
        return total


@dataclass(frozen=True, eq=False)
class LinearModel:
    """score[j] = intercept[j] + the sum over features i of coefficients[i, j] * x[i]."""

    feature_names: tuple[str, ...]
    coefficients: FloatArray
    intercept: FloatArray
    link: Link
    labels: Labels | None

    @property
    def outputs(self) -> int:
        """Scores a row."""
        return int(self.intercept.shape[0])

    def scores(self, rows: FloatArray) -> FloatArray:
        """Scores before the link, shape (rows, outputs)."""
        total: FloatArray = rows @ self.coefficients + self.intercept
        return total


class ModelGraph(Protocol):
    """What all model graphs have; the planner of each kind knows the rest."""

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the columns."""

    @property
    def link(self) -> Link:
        """What the scores mean."""

    @property
    def labels(self) -> Labels | None:
        """Of the classes; None for a regression."""

    @property
    def outputs(self) -> int:
        """Scores a row."""

    def scores(self, rows: FloatArray) -> FloatArray:
        """Scores before the link, shape (rows, outputs), in double precision."""
