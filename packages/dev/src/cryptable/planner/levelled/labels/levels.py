"""Levels: predictions in equal steps, which clients get in place of scores, and the scores at which steps begin."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from cryptable_protocol import Decoder, Labels, Link
from cryptable_protocol.encoding.exponential import exponential
from cryptable_protocol.encoding.links import probabilities_of, sigmoid

from cryptable.errors import ConstantModelError, UnsupportedModelError
from cryptable.graphs.graph import FloatArray, IntArray, ModelGraph
from cryptable.planner.settings import PROBABILITY, PlanSettings

_OF_PROBABILITIES = (Link.SIGMOID, Link.SOFTMAX, Link.PROBABILITY)
_OF_NUMBERS = (Link.IDENTITY, Link.EXPONENTIAL, Link.LOGISTIC)


@dataclass(frozen=True)
class Levels:
    """Of the predictions `low` to `low + count * width`, equal parts, each told by its middle; the outer ones reach on.

    Attributes:
        link: from scores to predictions: of a classifier to the probability of the second label.
        low: where the first part begins.
        width: of a part.
        count: of parts.
        labels: of a classifier; half of the parts are of each.
    """

    link: Link
    low: float
    width: float
    count: int
    labels: Labels | None

    @property
    def borders(self) -> FloatArray:
        """Scores at which parts begin, but for the first: increasing, shape (count − 1,)."""
        ends = self.low + self.width * np.arange(1, self.count)
        return np.array([score_of(self.link, end) for end in ends.tolist()])

    def predictions(self, scores: FloatArray) -> FloatArray:
        """The model's own, of its own scores; of a classifier the probability of the second label; of their shape."""
        if self.link is Link.EXPONENTIAL:
            return exponential(scores)
        if self.link is Link.LOGISTIC:
            return sigmoid(scores)
        if self.link is Link.IDENTITY:
            return scores
        return probabilities_of(self.link, scores.ravel())[:, 1].reshape(scores.shape)

    def middles(self, places: IntArray) -> FloatArray:
        """What clients get of parts, 0 for the first one."""
        found: FloatArray = self.low + self.width * (places + 0.5)
        return found

    def decoder(self, skipped: int) -> Decoder:
        """Of twice the part's place above `skipped`, which are below what the model can predict."""
        link = Link.IDENTITY if self.labels is None else Link.PROBABILITY
        lowest = float(self.middles(np.array(skipped)))
        return Decoder(link, (0,), self.width / 2, (lowest,), self.labels)


def levels_of(graph: ModelGraph, settings: PlanSettings, scores: FloatArray) -> Levels:
    """What `answer` and `levels` ask of a model.

    Args:
        graph: the model.
        settings: with an answer in levels.
        scores: its own, on calibration data, shape (rows, outputs).

    Raises:
        ConstantModelError: it predicts one number for all of the calibration data.
        UnsupportedModelError: it has several scores, or not that kind of predictions.
    """
    name = f'answer="{settings.answer}"'
    if graph.outputs > 1:
        raise UnsupportedModelError(
            f"{name} is for models with one score, this one has {graph.outputs}; "
            + ('use answer="label", or leave answer="score"' if graph.labels else 'leave answer="score"')
        )
    count = settings.count_of_levels
    if settings.answer == PROBABILITY:
        if graph.labels is None:
            raise UnsupportedModelError(
                f'{name}: this model predicts a number, no probabilities; use answer="prediction", or leave '
                'answer="score"'
            )
        if graph.link not in _OF_PROBABILITIES:
            raise UnsupportedModelError(
                f'{name}: this model has no probabilities; use answer="label", answer="threshold" with threshold= of '
                'its scores, or leave answer="score"'
            )
        return Levels(graph.link, 0.0, 1.0 / count, count, graph.labels)
    if graph.labels is not None:
        raise UnsupportedModelError(
            f'{name}: this model predicts labels; use answer="label", answer="probability" where it has probabilities, '
            'or leave answer="score"'
        )
    if graph.link not in _OF_NUMBERS:
        raise UnsupportedModelError(
            f'{name}: predictions of this model are a curve of its scores, which clients go along; leave answer="score"'
        )
    whole = Levels(graph.link, 0.0, 1.0, 1, None).predictions(scores)
    low, high = float(whole.min()), float(whole.max())
    if not low < high:
        raise ConstantModelError("the model predicts the same for every row of X_train: there is nothing to compute")
    return Levels(graph.link, low, (high - low) / count, count, None)


def score_of(link: Link, prediction: float) -> float:
    """The score that makes a prediction, of two labels the probability of the second one; −∞, ∞ or NaN where none does.

    Raises:
        ValueError: a link without such scores.
    """
    match link:
        case Link.IDENTITY | Link.MARGIN:
            return prediction
        case Link.EXPONENTIAL:
            return math.log(prediction) if prediction > 0 else math.nan
        case Link.SIGMOID | Link.SOFTMAX | Link.LOGISTIC if 0 < prediction < 1:
            return math.log(prediction / (1 - prediction)) / (2 if link is Link.SOFTMAX else 1)
        case Link.PROBABILITY if 0 < prediction < 1:
            return prediction
        case Link.SIGMOID | Link.SOFTMAX | Link.LOGISTIC | Link.PROBABILITY:
            return math.nan
        case _:
            raise ValueError(f"{link.name} has no score of a prediction")
