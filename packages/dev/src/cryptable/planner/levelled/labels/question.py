"""Question: what is asked of scores, and what answers it: thresholds of one score, or of differences of two."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from cryptable_protocol import Decoder, InvalidInputError, Labels, Link

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.graph import FloatArray, IntArray, ModelGraph
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
        labels: of the answer.
    """

    scores: int
    threshold: float
    is_second_at: bool
    labels: Labels

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

    def least(self, step: float, base: FloatArray) -> list[int]:
        """The least number of steps that wins each comparison, of values · step + base.

        Ties are the first label's, as `argmax` has it.
        """
        if self.scores == 1:
            exact = (self.threshold - float(base[0])) / step
            near = round(exact)
            if abs(exact - near) < _NEAR * max(1.0, abs(exact)):
                return [near if self.is_second_at else near + 1]
            return [math.ceil(exact)]
        return [math.ceil((base[other] - base[one]) / step - _NEAR) for one, other in self.comparisons]

    def decoder(self) -> Decoder:
        """Of answers: of one score −1/2 or 1/2, else how many others each label has won against."""
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


_NEAR = 1e-9


def question_of(graph: ModelGraph, settings: PlanSettings) -> Question:
    """What `answer` and `threshold` ask of a model.

    Raises:
        InvalidInputError: a threshold that its predictions cannot have.
        UnsupportedModelError: labels of a regression, a threshold of several scores, or too many labels.
    """
    threshold = settings.threshold
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
    match link:
        case Link.IDENTITY | Link.MARGIN:
            return threshold
        case Link.EXPONENTIAL if threshold > 0:
            return math.log(threshold)
        case Link.SIGMOID | Link.SOFTMAX | Link.LOGISTIC if 0 < threshold < 1:
            return math.log(threshold / (1 - threshold)) / (2 if link is Link.SOFTMAX else 1)
        case Link.PROBABILITY if 0 < threshold < 1:
            return threshold
        case Link.EXPONENTIAL:
            raise InvalidInputError(f"threshold is {threshold}, predictions of this model are positive")
        case Link.CURVE:
            raise UnsupportedModelError(
                'answer="threshold": predictions of this model are a curve of its scores, which clients go along; '
                'leave answer="score"'
            )
        case _:
            raise InvalidInputError(
                f"threshold is {threshold}, predictions of this model are probabilities: expected above 0 and below 1"
            )
