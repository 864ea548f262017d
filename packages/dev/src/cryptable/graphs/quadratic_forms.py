"""QuadraticForms: a model graph whose scores are quadratic functions of all features together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from cryptable_protocol import Labels, Link

from cryptable.graphs.graph import FloatArray


@dataclass(frozen=True, eq=False)
class QuadraticForms:
    """score[j] = dᵀ forms[j] d + d · linear[:, j] + intercept[j], where d = x - centre.

    `forms` has shape (outputs, features, features), each symmetric; `centre` (features,), `linear` (features, outputs),
    `intercept` (outputs,).
    """

    feature_names: tuple[str, ...]
    centre: FloatArray
    forms: FloatArray
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
        squares = np.stack([((distance @ form) * distance).sum(axis=1) for form in self.forms], axis=1)
        total: FloatArray = squares + distance @ self.linear + self.intercept
        return total

    def moved(self, centre: FloatArray) -> QuadraticForms:
        """The same functions around another centre."""
        step = centre - self.centre
        turned = self.forms @ step
        intercept = turned @ step + step @ self.linear + self.intercept
        return QuadraticForms(
            self.feature_names, centre, self.forms, self.linear + 2 * turned.T, intercept, self.link, self.labels
        )
