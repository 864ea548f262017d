"""Links: what scores mean, and the probabilities that they make."""

from __future__ import annotations

import enum
import itertools
import math

import numpy as np

from cryptable_protocol._generated.cryptable.v1 import client_spec_pb2 as pb
from cryptable_protocol.encoding.exponential import FloatArray, exponential


class Link(enum.Enum):
    """What a model's scores mean."""

    IDENTITY = pb.Decoder.IDENTITY
    """Regression: the scores are the predictions."""
    MARGIN = pb.Decoder.MARGIN
    """Classification by score alone: no probabilities."""
    SIGMOID = pb.Decoder.SIGMOID
    """Log-odds: one (binary), or one a class, one against the rest."""
    SOFTMAX = pb.Decoder.SOFTMAX
    """Logits, one a class."""
    PROBABILITY = pb.Decoder.PROBABILITY
    """Probabilities: one (of the second class), or one a class."""
    EXPONENTIAL = pb.Decoder.EXPONENTIAL
    """Regression: the predictions are e to the power of the scores."""
    LOGISTIC = pb.Decoder.LOGISTIC
    """Regression of a fraction: the predictions are 1 / (1 + e^-score)."""
    CURVE = pb.Decoder.CURVE
    """Regression: the predictions are the heights of a curve at the scores."""
    PAIRS = pb.Decoder.PAIRS
    """One against one: a score a pair of labels, a vote for the first where it is above 0, else for the second."""
    PAIRS_BY_MARGIN = pb.Decoder.PAIRS_BY_MARGIN
    """The same; of labels with equally many votes, the one whose pairs have the largest sum of scores."""


REGRESSIONS = (Link.IDENTITY, Link.EXPONENTIAL, Link.LOGISTIC, Link.CURVE)
"""Links of models without labels."""
OF_PAIRS = (Link.PAIRS, Link.PAIRS_BY_MARGIN)
"""Links of classes that are compared pair by pair."""


def labels_of_pairs(scores: int) -> int | None:
    """How many labels have so many pairs, of three labels or more; None where no number of them has."""
    labels = (1 + math.isqrt(1 + 8 * scores)) // 2
    return labels if labels >= 3 and labels * (labels - 1) // 2 == scores else None


def votes_of_pairs(scores: FloatArray) -> FloatArray:
    """Votes of each label, and below 1/3 of one, by how much its pairs are won: votes + m / (3 (|m| + 1)).

    Args:
        scores: of pairs of labels, (0, 1), (0, 2), …, (1, 2), …; shape (rows, pairs).

    Returns:
        Shape (rows, labels).
    """
    labels = labels_of_pairs(scores.shape[1])
    if labels is None:
        raise ValueError(f"{scores.shape[1]} scores are not of the pairs of any number of labels")
    votes, margins = np.zeros((2, len(scores), labels))
    for (one, other), score in zip(itertools.combinations(range(labels), 2), scores.T, strict=True):
        votes[:, one] += score > 0
        votes[:, other] += score <= 0
        margins[:, one] += score
        margins[:, other] -= score
    found: FloatArray = votes + margins / (3.0 * (np.abs(margins) + 1.0))
    return found


def probabilities_of(link: Link, scores: FloatArray) -> FloatArray:
    """Probabilities of shape (rows, labels), of scores of shape (rows,) or (rows, scores).

    Raises:
        ValueError: a link that makes none.
    """
    match link:
        case Link.SOFTMAX:
            if scores.ndim == 1:
                scores = np.stack([-scores, scores], axis=1)
            exponentials = exponential(scores - scores.max(axis=1, keepdims=True))
            return exponentials / _total(exponentials)
        case Link.SIGMOID:
            return completed(sigmoid(scores), normalise=True)
        case Link.PROBABILITY:
            return completed(np.clip(scores, 0.0, 1.0), normalise=False)
        case _:
            raise ValueError(f"{link.name} makes no probabilities")


def sigmoid(scores: FloatArray) -> FloatArray:
    """1 / (1 + e^-score)."""
    # Each branch of the formula only where it cannot overflow.
    small = exponential(-np.abs(scores))
    return np.where(scores >= 0, 1.0 / (1.0 + small), small / (1.0 + small))


def completed(probabilities: FloatArray, *, normalise: bool) -> FloatArray:
    """With that of the first class, where one alone is given; else divided by their sum: 1/S each where that is 0."""
    if probabilities.ndim == 1:
        return np.stack([1.0 - probabilities, probabilities], axis=1)
    if not normalise:
        return probabilities
    total = _total(probabilities)
    uniform = np.full_like(probabilities, 1.0 / probabilities.shape[1])
    return np.divide(probabilities, total, out=uniform, where=total > 0)


def _total(numbers: FloatArray) -> FloatArray:
    """Of each row, its numbers added up in their order, which `sum` does not keep; shape (rows, 1)."""
    return np.cumsum(numbers, axis=1)[:, -1:]
