"""Job and Note: what workers are given to do."""

from __future__ import annotations

import time
from concurrent.futures import Future
from dataclasses import dataclass, field

from cryptable_server.errors import TooLateError
from cryptable_server.executor import Evaluated, Evaluation


@dataclass(eq=False)
class Job:
    """A row that waits, or is evaluated."""

    evaluation: Evaluation
    future: Future[Evaluated] = field(default_factory=Future)
    submitted: float = field(default_factory=time.monotonic)
    begun: bool = False
    """Whether a worker has had it; it may wait again after that, where the worker's machine was lost."""
    losses: int = 0
    """How many workers' machines were lost over it."""
    passed_over: int = 0
    """How often a worker took a later row because this one's keys are with another."""

    @property
    def lane(self) -> str:
        """Rows of one lane are taken in their order, and the lanes of a principal in turn."""
        keys = self.evaluation.keys
        return f"call {self.evaluation.call}" if keys is None else keys.name

    def check_deadline(self, seconds: float) -> None:
        """Raise TooLateError if the caller will not wait `seconds` more."""
        deadline = self.evaluation.deadline
        if deadline is None:
            return
        left = deadline - time.monotonic()
        if left <= 0:
            raise TooLateError("the deadline passed before a worker was free for this row; it was not evaluated")
        if left < seconds:
            raise TooLateError(
                f"the deadline is in {left:.2f} s, and this row cannot be answered in less than about {seconds:.2f} s; "
                "it was not evaluated: call with a later deadline, or when the server has less to do"
            )


@dataclass(frozen=True)
class Note:
    """Something that a worker is told and does not answer."""

    facts: dict[str, str]
