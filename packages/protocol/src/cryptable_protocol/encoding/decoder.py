"""From decrypted integers to scores, probabilities and labels."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cryptable_protocol import limits
from cryptable_protocol._generated.cryptable.v1 import client_spec_pb2 as pb
from cryptable_protocol.encoding.exponential import exponential
from cryptable_protocol.encoding.links import (
    OF_PAIRS,
    REGRESSIONS,
    Link,
    labels_of_pairs,
    probabilities_of,
    sigmoid,
    votes_of_pairs,
)
from cryptable_protocol.encoding.members import Member, check_members, combined
from cryptable_protocol.errors import InvalidInputError, MalformedMessageError
from cryptable_protocol.wire.names import check_name

_MAX_OFFSET = 1 << 62
"""Keeps the sum of a value and its offset within 64 bits."""
_INT64 = np.iinfo(np.int64)


_NO_PROBABILITIES = "this model gives no probabilities: use predict or decision_function"

Labels = tuple[int, ...] | tuple[str, ...] | tuple[bool, ...] | tuple[float, ...]
_DTYPES: dict[type, type[np.generic]] = {bool: np.bool_, int: np.int64, float: np.float64, str: np.str_}
"""By the kind of labels, that of predictions."""
_FIELDS = {bool: "booleans", int: "integers", float: "doubles", str: "strings"}
"""Of the message."""


@dataclass(frozen=True)
class Decoder:
    """score[j] = (value[j] + offset[j]) * step + base[j], then the link and the labels.

    Values have `further_bits` bits below those that are exact: approximate readout, where it is not 0.

    `labels` is None for regression. With two labels and one score, the score speaks for the second label, which is
    predicted where the score is above 0 (`Link.PROBABILITY`: above one half). With one score a label, the label of the
    largest score is predicted, the first one of equals. With `Link.PAIRS`, and by margin, the scores above are those of
    pairs of labels, and the model's own are the votes that each label has of them, as `votes_of_pairs` says.

    With `members`, the scores above are theirs, one after the other, and the model's own are what they sum up to, or
    with `median` their weighted median.
    `curve` is that of `Link.CURVE`: scores, increasing, and the prediction at each; straight between, constant beyond.
    With `contributions`, the names of what each score is a sum of, values and offsets are those of the scores, then for
    each score one a name. value + offset of a score is exactly its `contribution_base` plus those of its contributions.
    `column`: predictions, of which there is one a row, have shape (rows, 1), as the model's own library has them.
    """

    link: Link
    offset: tuple[int, ...]
    step: float
    base: tuple[float, ...]
    labels: Labels | None = None
    further_bits: int = 0
    members: tuple[Member, ...] = ()
    curve: tuple[tuple[float, ...], tuple[float, ...]] = ((), ())
    contributions: tuple[str, ...] = ()
    contribution_base: tuple[int, ...] = ()
    median: bool = False
    column: bool = False

    def __post_init__(self) -> None:
        if not self.offset or len(self.offset) != self.scores * (1 + len(self.contributions)):
            beside = f", and {len(self.contributions)} offsets for its contributions" if self.contributions else ""
            raise MalformedMessageError(
                f"decoder: {len(self.offset)} offsets and {self.scores} bases, expected one of each a score{beside}"
            )
        if len(self.offset) > limits.MAX_VECTOR_SIZE or any(abs(value) > _MAX_OFFSET for value in self.offset):
            raise MalformedMessageError("decoder: an offset beyond 2^62, or too many offsets")
        if not self.step > 0 or not math.isfinite(self.step * 2.0**64 + max(map(abs, self.base))):
            raise MalformedMessageError(
                f"decoder: step {self.step} must be positive, and every score that it and the bases can make finite"
            )
        if not 0 <= self.further_bits <= limits.MAX_FURTHER_BITS:
            # Below them is little but noise, and whoever learns enough of the noise learns the key.
            raise MalformedMessageError(
                f"decoder: {self.further_bits} bits that are not exact, expected {limits.MAX_FURTHER_BITS} at most"
            )
        if not all(map(math.isfinite, self.base)):
            raise MalformedMessageError("decoder: every base must be finite")
        if self.column and self.link in REGRESSIONS and self.outputs > 1:
            raise MalformedMessageError(f"decoder: a column of predictions that are {self.outputs} numbers a row")
        if self.members:
            check_members(self.members, self.link, self.scores, median=self.median)
        elif self.median:
            raise MalformedMessageError("decoder: a median without members")
        self._check_curve()
        self._check_contributions()
        if self.link in OF_PAIRS and labels_of_pairs(self.scores) is None:
            raise MalformedMessageError(
                f"decoder: {self.scores} scores with link {self.link.name}, expected one a pair of three labels or more"
            )
        self._check_labels()

    @property
    def outputs(self) -> int:
        """Scores of the model."""
        if self.link in OF_PAIRS:
            return labels_of_pairs(self.scores) or 0
        return self.members[0].scores if self.members else self.scores

    @property
    def scores(self) -> int:
        """Those that are answered: of members, where there are some, else of the model."""
        return len(self.base)

    def _check_curve(self) -> None:
        knots, heights = self.curve
        if (self.link is Link.CURVE) != bool(knots) or len(knots) != len(heights):
            raise MalformedMessageError(
                f"decoder: a curve of {len(knots)} scores and {len(heights)} predictions with link {self.link.name}"
            )
        if not knots:
            return
        if not 2 <= len(knots) <= limits.MAX_KNOTS or not all(map(math.isfinite, (*knots, *heights))):
            raise MalformedMessageError(f"decoder: a curve takes 2 to {limits.MAX_KNOTS} knots, all finite")
        if not all(low < high for low, high in itertools.pairwise(knots)):
            raise MalformedMessageError("decoder: the scores of its curve must be strictly increasing")

    def _check_contributions(self) -> None:
        if self.contributions and (self.further_bits or self.members or self.link in OF_PAIRS):
            raise MalformedMessageError(
                "decoder: contributions add up to the scores exactly, expected no further bits, no members and no "
                "pairs beside them"
            )
        if len(self.contribution_base) != (self.scores if self.contributions else 0):
            raise MalformedMessageError(
                f"decoder: bases of contributions to {len(self.contribution_base)} scores, expected one a score, and "
                "none without contributions"
            )
        if any(abs(value) > _MAX_OFFSET for value in self.contribution_base):
            raise MalformedMessageError("decoder: a base of contributions beyond 2^62")
        if len(set(self.contributions)) != len(self.contributions):
            raise MalformedMessageError("decoder: two contributions of one name")
        for name in self.contributions:
            check_name(name, "decoder: contribution")

    def _check_labels(self) -> None:
        if self.link in REGRESSIONS:
            if self.labels is not None:
                raise MalformedMessageError("decoder: a regression has no labels")
            return
        expected = max(2, self.outputs)
        if self.labels is None or len(self.labels) != expected or len(set(self.labels)) != expected:
            got = 0 if self.labels is None else len(self.labels)
            raise MalformedMessageError(
                f"decoder: {got} labels for {self.outputs} scores, expected {expected}, all different"
            )
        kinds = {type(label) for label in self.labels}
        if len(kinds) > 1 or not kinds <= _DTYPES.keys():
            raise MalformedMessageError(
                "decoder: labels are of two kinds or a strange one, expected all integers, all strings, all "
                "booleans or all doubles"
            )
        for label in self.labels:
            if isinstance(label, str):
                check_name(label, "decoder: label", may_be_empty=True)
            elif isinstance(label, float) and not math.isfinite(label):
                raise MalformedMessageError("decoder: every label must be finite")
            elif not isinstance(label, float) and not _INT64.min <= label <= _INT64.max:
                raise MalformedMessageError("decoder: a label does not fit 64 bits")

    @property
    def is_classifier(self) -> bool:
        """Whether `predict` gives labels."""
        return self.labels is not None

    def decision_function(self, values: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """Scores of decrypted values of shape (rows, values): (rows, outputs), or (rows,) where there is one output."""
        scores: npt.NDArray[np.float64] = self._shifted(values)[:, : self.scores] * self.step + np.asarray(self.base)
        if self.members:
            scores = combined(self.members, scores, median=self.median)
        if self.link in OF_PAIRS:
            scores = votes_of_pairs(scores)
        return scores[:, 0] if self.outputs == 1 else scores

    def contributions_of(self, values: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """What each score is a sum of, besides its base: shape (rows, names), or (rows, scores, names) of several.

        That they add up is not looked at: a server that cheats can make it depend on the secret key, and would learn of
        it by what an error leads to (docs/threat-model.md, "Decryption failures and published answers").

        Raises:
            InvalidInputError: the model gives none.
        """
        self.require_contributions()
        parts = self._shifted(values)[:, self.scores :].reshape(len(values), self.scores, len(self.contributions))
        made: npt.NDArray[np.float64] = parts * self.step
        return made[:, 0] if self.scores == 1 else made

    @property
    def base_values(self) -> tuple[float, ...]:
        """Of each score, what its contributions are added to; without contributions, what is outside the circuit."""
        steps = self.contribution_base or (0,) * self.scores
        return tuple(base + step * self.step for base, step in zip(self.base, steps, strict=True))

    def require_contributions(self) -> None:
        """Raise InvalidInputError where `contributions_of` would: nothing need be evaluated to know."""
        if not self.contributions:
            raise InvalidInputError(
                'this model gives no contributions: its developer has to compile it with explain="contributions"'
            )

    def _shifted(self, values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Values and offsets, shape (rows, values)."""
        if values.ndim != 2 or values.shape[1] != len(self.offset):
            raise InvalidInputError(f"decrypted values have shape {values.shape}, expected (rows, {len(self.offset)})")
        shifted: npt.NDArray[np.int64] = values + np.asarray(self.offset, np.int64)
        return shifted

    def require_probabilities(self) -> None:
        """Raise InvalidInputError where `predict_proba` would: nothing need be evaluated to know."""
        if self.link in (Link.MARGIN, *OF_PAIRS) or self.link in REGRESSIONS:
            raise InvalidInputError(_NO_PROBABILITIES)

    def predict_proba(self, values: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """Probabilities of shape (rows, labels).

        Raises:
            InvalidInputError: the model is a regression, or classifies without probabilities.
        """
        scores = self.decision_function(values)
        self.require_probabilities()
        return probabilities_of(self.link, scores)

    def predict(self, values: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        """Labels of shape (rows,) for a classifier, else the scores, or what the link makes of them.

        As a column, shape (rows, 1), where the model's own library predicts one.
        """
        return self.predictions(self.decision_function(values))

    def predictions(self, scores: npt.NDArray[np.float64]) -> npt.NDArray[Any]:
        """What scores, of the shape that `decision_function` gives them, predict; as `predict`."""
        predicted = self._predicted(scores)
        return predicted[:, None] if self.column else predicted

    def _predicted(self, scores: npt.NDArray[np.float64]) -> npt.NDArray[Any]:
        if self.link is Link.EXPONENTIAL:
            return exponential(scores)
        if self.link is Link.LOGISTIC:
            return sigmoid(scores)
        if self.link is Link.CURVE:
            return np.interp(scores, *self.curve)
        if self.labels is None:
            return scores
        if self.link is Link.PAIRS:  # margins below 1/3 of a vote decide nothing
            scores = np.rint(scores)
        chosen = (scores > self.threshold).astype(np.int64) if scores.ndim == 1 else scores.argmax(axis=1)
        predicted: npt.NDArray[Any] = np.asarray(self.labels, _DTYPES[type(self.labels[0])])[chosen]
        return predicted

    @property
    def threshold(self) -> float:
        """Of a classifier with one score: the second label is predicted above it."""
        return 0.5 if self.link is Link.PROBABILITY else 0.0

    def to_message(self) -> pb.Decoder:
        """As protobuf."""
        message = pb.Decoder(
            link=self.link.value,
            offset=self.offset,
            step=self.step,
            base=self.base,
            further_bits=self.further_bits,
            members=[member.to_message() for member in self.members],
            curve_scores=self.curve[0],
            curve_predictions=self.curve[1],
            contributions=self.contributions,
            contribution_base=self.contribution_base,
            median=self.median,
            column=self.column,
        )
        if self.labels is not None:
            getattr(message, _FIELDS[type(self.labels[0])]).values.extend(self.labels)
        return message

    @classmethod
    def from_message(cls, message: pb.Decoder) -> Decoder:
        """From protobuf; raises MalformedMessageError where a field is missing or out of range."""
        try:
            link = Link(message.link)
        except ValueError as error:
            raise MalformedMessageError(f"decoder: unknown link {message.link}") from error
        kind = message.WhichOneof("labels")
        labels: Labels | None = None if kind is None else tuple(getattr(message, kind).values)
        return cls(
            link,
            tuple(message.offset),
            message.step,
            tuple(message.base),
            labels,
            message.further_bits,
            tuple(map(Member.from_message, message.members)),
            (tuple(message.curve_scores), tuple(message.curve_predictions)),
            tuple(message.contributions),
            tuple(message.contribution_base),
            message.median,
            message.column,
        )
