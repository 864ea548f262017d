"""QuadraticModel: a model graph whose scores are sums of quadratic functions of one feature each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from cryptable_protocol import Labels, Link

from cryptable.graphs.graph import FloatArray


@dataclass(frozen=True, eq=False)
class QuadraticModel:
    """score[j] = intercept[j] + the sum over i of quadratic[i, j] * d² + linear[i, j] * d, where d = x[i] - centre[i].

    `quadratic` and `linear` have shape (features, outputs), `centre` (features,), `intercept` (outputs,).
    """

    feature_names: tuple[str, ...]
    centre: FloatArray
    quadratic: FloatArray
    linear: FloatArray
    intercept: FloatArray
    link: Link
    labels: Labels | None

    @property
    def outputs(self) -> int:
        """Scores a row."""
        return int(self.intercept.shape[0])

    def scores(self, rows: FloatArray) -> FloatArray:
        """Scores before the link, shape (rows, outputs)."""
        distance = rows - self.centre
        total: FloatArray = np.square(distance) @ self.quadratic + distance @ self.linear + self.intercept
        return total
