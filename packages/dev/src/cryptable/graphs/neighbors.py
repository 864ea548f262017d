"""NeighborsModel: a model graph whose scores are means over the training rows that are nearest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from cryptable_protocol import Labels, Link

from cryptable.graphs.graph import FloatArray, IntArray

_TIE = 1e-9
"""Relative: distances closer than this are equal in one library and not in another."""


@dataclass(frozen=True, eq=False)
class NeighborsModel:
    """score[j] = the mean of targets[i, j] over the k rows i of `points` that are nearest, in Euclidean distance.

    `points` has shape (training rows, features), `targets` (training rows, outputs).
    """

    feature_names: tuple[str, ...]
    points: FloatArray
    targets: FloatArray
    k: int
    link: Link
    labels: Labels | None

    @property
    def outputs(self) -> int:
        """Scores a row."""
        return int(self.targets.shape[1])

    def scores(self, rows: FloatArray) -> FloatArray:
        """Scores before the link, shape (rows, outputs); of equally near points, the first ones count."""
        means: FloatArray = self.targets[self.nearest(rows, self.k)].mean(axis=1)
        return means

    def nearest(self, rows: FloatArray, count: int) -> IntArray:
        """The `count` nearest points, nearest first, shape (rows, count)."""
        order: IntArray = np.argsort(self._distances(rows), axis=1, kind="stable")[:, :count].astype(np.int64)
        return order

    def ties(self, rows: FloatArray) -> npt.NDArray[np.bool_]:
        """Rows whose k-th and next point are equally far, so that either may count."""
        if self.k >= len(self.points):
            return np.zeros(len(rows), np.bool_)
        ordered = np.partition(self._distances(rows), (self.k - 1, self.k), axis=1)
        tied: npt.NDArray[np.bool_] = ordered[:, self.k] <= ordered[:, self.k - 1] * (1 + _TIE)
        return tied

    def _distances(self, rows: FloatArray) -> FloatArray:
        """Squared."""
        total: FloatArray = np.zeros((len(rows), len(self.points)))
        for column in range(self.points.shape[1]):
            total += np.square(rows[:, column, None] - self.points[None, :, column])
        return total
