"""QuadraticForms: a model graph whose scores are quadratic functions of all features together."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from cryptable_protocol import Labels, Link

from cryptable.graphs.graph import FloatArray

_DEFINITE = 1e-12
"""Of the largest eigenvalue: below that, doubles do not tell that one is none of rounding."""


@dataclass(frozen=True, eq=False)
class QuadraticForms:
    """score[j] = dᵀ forms[j] d + d · linear[:, j] + intercept[j], where d = x - centre.

    `forms` has shape (outputs, features, features), each symmetric; `centre` (features,), `linear` (features, outputs),
    `intercept` (outputs,). `reaches_positive`: encoders are to reach all rows whose score may be positive, not only
    those of the calibration data, as `positive_box` tells where they end.
    """

    feature_names: tuple[str, ...]
    centre: FloatArray
    forms: FloatArray
    linear: FloatArray
    intercept: FloatArray
    link: Link
    labels: Labels | None
    reaches_positive: bool = False

    @property
    def outputs(self) -> int:
        """Scores a row."""
        return int(self.intercept.shape[0])

    def scores(self, rows: FloatArray) -> FloatArray:
        """Scores before the link, shape (rows, outputs)."""
        distance = rows - self.centre
        squares = np.stack([((distance @ form) * distance).sum(axis=1) for form in self.forms], axis=1)
        total: FloatArray = squares + distance @ self.linear + self.intercept
        return total

    def moved(self, centre: FloatArray) -> QuadraticForms:
        """The same functions around another centre."""
        step = centre - self.centre
        turned = self.forms @ step
        intercept = turned @ step + step @ self.linear + self.intercept
        return replace(self, centre=centre, linear=self.linear + 2 * turned.T, intercept=intercept)

    def positive_box(self) -> tuple[FloatArray, FloatArray] | None:
        """The lowest and highest value of each feature where a single score is 0 or more, shape (features,) each.

        With a negative definite form, score = top - dᵀ A d around some centre; d[i]² / (A⁻¹)[i, i] ≤ dᵀ A d. Features
        that are not read have no width. None where these rows have no end, or where there are none.
        """
        read = np.flatnonzero(self.forms[0].any(axis=0) | (self.linear[:, 0] != 0))
        definite = -self.forms[0][np.ix_(read, read)]
        values, vectors = np.linalg.eigh(definite)
        if self.outputs != 1 or not read.size or values[0] <= _DEFINITE * values[-1]:
            return None
        inverse = (vectors / values) @ vectors.T
        step = inverse @ self.linear[read, 0] / 2
        top = float(self.intercept[0] + self.linear[read, 0] @ step / 2)
        if top <= 0:
            return None
        middle, half = self.centre.copy(), np.zeros(len(self.centre))
        middle[read] += step
        half[read] = np.sqrt(top * np.diag(inverse))
        return middle - half, middle + half
