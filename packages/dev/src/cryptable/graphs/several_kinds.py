"""SumOfKinds: a model graph whose scores are the sums of those of graphs of several kinds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cryptable_protocol import Labels, Link

from cryptable.graphs.graph import FloatArray, Rows, TreeEnsemble


@dataclass(frozen=True, eq=False)
class SumOfKinds:
    """Score[j] = the sum of scores[j] of the parts, which have the same columns and as many scores.

    Parts are trees, once at most, and linear, quadratic, additive and curve models; their own links and labels mean
    nothing.
    """

    parts: tuple[Any, ...]
    link: Link
    labels: Labels | None

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the columns."""
        names: tuple[str, ...] = self.parts[0].feature_names
        return names

    @property
    def outputs(self) -> int:
        """Scores a row."""
        outputs: int = self.parts[0].outputs
        return outputs

    @property
    def trees(self) -> TreeEnsemble | None:
        """The part that is trees, if one is."""
        return next((part for part in self.parts if isinstance(part, TreeEnsemble)), None)

    def scores(self, rows: Rows) -> FloatArray:
        """Scores before the link, shape (rows, outputs), in double precision."""
        total: FloatArray = sum(part.scores(rows) for part in self.parts)
        return total
