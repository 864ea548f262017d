"""Question: what is asked of scores, and what answers it: borders of one score, or of differences of two."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from typing import TypedDict

import numpy as np
from cryptable_protocol import Decoder, InvalidInputError, Labels, Link

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.graph import FloatArray, IntArray, ModelGraph
from cryptable.planner.levelled.labels.levels import Levels, levels_of, score_of
from cryptable.planner.settings import PlanSettings

MOST_LABELS = 32
"""Each pair is compared."""


@dataclass(frozen=True)
class Question:
    """Which label: with one score the second one above `threshold`, or from it on; else that of the largest score.

    Attributes:
        scores: of the model.
        threshold: of the one score.
        is_second_at: whether the threshold itself is the second label's.
        labels: of the answer; none of a number's levels.
        levels: which of these a prediction is in, instead.
    """

    scores: int
    threshold: float
    is_second_at: bool
    labels: Labels
    levels: Levels | None = None

    @property
    def comparisons(self) -> tuple[tuple[int, int], ...]:
        """Pairs of scores, the first of which is to win; of one score it with itself, which stands for a threshold."""
        return ((0, 0),) if self.scores == 1 else tuple(combinations(range(self.scores), 2))

    @property
    def wins(self) -> IntArray:
        """What a won comparison adds to each answer, and a lost one takes from it: shape (comparisons, answers)."""
        if self.scores == 1:
            return np.ones((1, 1), np.int64)
        first, second = np.array(self.comparisons).T
        identity = np.eye(self.scores, dtype=np.int64)
        found: IntArray = identity[first] - identity[second]
        return found

    @property
    def borders(self) -> FloatArray:
        """Of one score: above them, or from them on, its table has more."""
        return np.array([self.threshold]) if self.levels is None else self.levels.borders

    @property
    def rises(self) -> int:
        """Of each table: how often it has more than before."""
        return 1 if self.levels is None else self.levels.count - 1

    def least(self, step: float, base: FloatArray) -> IntArray:
        """The least numbers of steps from which on tables have more, of values · step + base: (comparisons, rises).

        Ties are the first label's, as `argmax` has it.
        """
        if self.scores == 1:
            return np.array([[self._least((border - float(base[0])) / step, border) for border in self.borders]])
        return np.array([[math.ceil((base[other] - base[one]) / step - _NEAR)] for one, other in self.comparisons])

    def _least(self, exact: float, border: float) -> int:
        near = round(exact)
        if abs(exact - near) < _NEAR * max(1.0, abs(exact)):
            return near if self.is_second_at or abs(border - self.threshold) > _NEAR else near + 1
        return math.ceil(exact)

    def decoder(self, skipped: int = 0) -> Decoder:
        """Of answers: of one score −1/2 or 1/2, or its level; else how many others each label has won against.

        `skipped` levels are below what the model can predict.
        """
        if self.levels is not None:
            return self.levels.decoder(skipped)
        if self.scores == 1:
            return Decoder(Link.MARGIN, (-1,), 0.5, (0.0,), self.labels)
        zeros = (0,) * self.scores
        return Decoder(Link.MARGIN, zeros, 0.5, (0.0,) * self.scores, self.labels)

    def places(self, scores: FloatArray) -> IntArray:
        """Of which label, for the model's own scores, shape (rows, scores): shape (rows,)."""
        if self.scores > 1:
            largest: IntArray = scores.argmax(axis=1)
            return largest
        above = scores[:, 0] >= self.threshold if self.is_second_at else scores[:, 0] > self.threshold
        return above.astype(np.int64)

    @property
    def told(self) -> Told:
        """What answers are compared with."""
        return {"places": self.places} if self.levels is None else {"predictions": self.levels.predictions}


class Told(TypedDict, total=False):
    """Of a PlannedModel, what answers are compared with."""

    places: Callable[[FloatArray], IntArray]
    predictions: Callable[[FloatArray], FloatArray]


_NEAR = 1e-9


def question_of(graph: ModelGraph, settings: PlanSettings, scores: FloatArray) -> Question:
    """What `answer`, `threshold` and `levels` ask of a model, with its scores on calibration data, (rows, outputs).

    Raises:
        InvalidInputError: a threshold that its predictions cannot have.
        UnsupportedModelError: labels of a regression, a threshold or levels of several scores, or too many labels.
    """
    threshold = settings.threshold
    if settings.in_levels:
        levels = levels_of(graph, settings, scores)
        middle = math.nan if graph.labels is None else score_of(graph.link, 0.5)
        return Question(1, middle, getattr(graph, "tie_is_second", False), graph.labels or (), levels)
    if threshold is None:
        if graph.labels is None:
            raise UnsupportedModelError(
                'answer="label": this model predicts a number, no label; use answer="threshold" with threshold=, or '
                'leave answer="score"'
            )
        if graph.outputs > MOST_LABELS:
            raise UnsupportedModelError(
                f'answer="label": {graph.outputs} labels, which are compared pair by pair; at most {MOST_LABELS} are. '
                'Leave answer="score"'
            )
        own = Decoder(graph.link, (0,) * graph.outputs, 1.0, (0.0,) * graph.outputs, graph.labels)
        return Question(graph.outputs, own.threshold, getattr(graph, "tie_is_second", False), graph.labels)
    if graph.outputs > 1:
        raise UnsupportedModelError(
            f'answer="threshold" is for models with one score, this one has {graph.outputs}; use answer="label", or '
            'leave answer="score"'
        )
    labels: Labels = (False, True) if graph.labels is None else graph.labels
    return Question(1, _of_score(graph.link, threshold), False, labels)


def _of_score(link: Link, threshold: float) -> float:
    """Of the score, where the prediction has a threshold: of classes the probability of the second one."""
    if link is Link.CURVE:
        raise UnsupportedModelError(
            'answer="threshold": predictions of this model are a curve of its scores, which clients go along; '
            'leave answer="score"'
        )
    found = score_of(link, threshold)
    if math.isfinite(found):
        return found
    if link is Link.EXPONENTIAL:
        raise InvalidInputError(f"threshold is {threshold}, predictions of this model are positive")
    raise InvalidInputError(
        f"threshold is {threshold}, predictions of this model are probabilities: expected above 0 and below 1"
    )
