"""KernelMachine: functions of sums over features, one for each vector that a model has kept, added up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cryptable_protocol import Labels, Link

from cryptable.graphs.graph import FloatArray


@dataclass(frozen=True, eq=False)
class KernelMachine:
    """score = function(x @ slopes + x² @ curvatures + offset) @ weights + base.

    Attributes:
        slopes: shape (features, vectors).
        curvatures: of the squares of features, the same for all vectors; shape (features,).
        offset: shape (vectors,).
        function: elementwise.
        weights: shape (vectors, outputs).
        base: shape (outputs,).
    """

    feature_names: tuple[str, ...]
    slopes: FloatArray
    curvatures: FloatArray
    offset: FloatArray
    function: Callable[[FloatArray], FloatArray]
    weights: FloatArray
    base: FloatArray
    link: Link
    labels: Labels | None

    @property
    def outputs(self) -> int:
        """Scores a row."""
        return int(self.base.shape[0])

    def scores(self, rows: FloatArray) -> FloatArray:
        """Scores before the link, shape (rows, outputs)."""
        sums = rows @ self.slopes + (rows**2 @ self.curvatures)[:, None] + self.offset
        total: FloatArray = self.function(sums) @ self.weights + self.base
        return total
