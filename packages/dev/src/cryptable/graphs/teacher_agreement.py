"""TeacherAgreement: how a network answers beside the model that it was distilled from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TeacherAgreement:
    """Of rows that were held out of the training.

    Attributes:
        rows: how many.
        labels: the share of them that have the teacher's label; None for a regression.
        rms: root mean square of the differences of scores, in standard deviations of the teacher's, of the score where
            it is largest. Scores of several classes are compared less their mean, which says nothing. None of a teacher
            that gives labels alone.
    """

    rows: int
    labels: float | None
    rms: float | None

    def __str__(self) -> str:
        labels = "" if self.labels is None else f"{self.labels:.1%} of the labels are the teacher's"
        scores = "" if self.rms is None else f"scores differ by {self.rms:.2g} of their deviation (root mean square)"
        return f"{', '.join(filter(None, (labels, scores)))}, on {self.rows} rows that were held out"
