"""Parts: rows that can be evaluated in parts, each where there is room for it, and how parts' answers make an answer.

A part is evaluated on the whole row, and independently of all others. What parts are is the scheme's own affair; those
of the scheme `squares` are its plaintext moduli. Whoever queues and evaluates knows how many there are, and no more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from cryptable_protocol.errors import InternalError
from cryptable_protocol.schemes.scheme import SchemeParameters


@runtime_checkable
class Parted(Protocol):
    """What parameters of a scheme say beside `SchemeParameters`, where rows can be evaluated in parts."""

    @property
    def parts(self) -> int:
        """Of a row, at least 1; all take about as long."""

    def whole_answer(self, answers: Sequence[bytes]) -> bytes:
        """An answer's canonical bytes.

        Args:
            answers: canonical bytes of those to all parts, in their order.

        Raises:
            MalformedMessageError: one has not exactly the form that these parameters fix for a part's.
        """


def parts_of(parameters: SchemeParameters) -> int:
    """In how many parts a row can be evaluated; 1 where the scheme has none."""
    return parameters.parts if isinstance(parameters, Parted) else 1


def whole_answer(parameters: SchemeParameters, answers: Sequence[bytes]) -> bytes:
    """An answer's canonical bytes, of the one there is, or of those to all parts; raises as `Parted.whole_answer`."""
    if len(answers) == 1:
        return answers[0]
    if not isinstance(parameters, Parted) or len(answers) != parameters.parts:
        raise InternalError(f"{len(answers)} answers to parts of a row that has {parts_of(parameters)}")
    return parameters.whole_answer(answers)
