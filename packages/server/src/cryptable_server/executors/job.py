"""Job: a row that waits for a worker, and the answer to come."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future

from cryptable_protocol import CryptableError

from cryptable_server.errors import TooLateError
from cryptable_server.executors.executor import Evaluated, Evaluation


class Job(Future[Evaluated]):
    """A row that waits, or is evaluated, and the answer to come.

    In one: a job that had a future with callbacks that know the job would keep a row's ciphertexts until Python looks
    for cycles.
    """

    def __init__(self, evaluation: Evaluation, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self.evaluation = evaluation
        self._clock = clock
        self._submitted = clock()
        self.begun = False
        """Whether a worker has had it; it may wait again after that, where the worker's machine was lost."""
        self.losses = 0
        """How many workers' machines were lost over it."""
        self.passed_over = 0
        """How often a worker took a later row because this one's keys are with another."""

    def refuse(self, error: Exception) -> None:
        """End it with an error, which for the reason above comes without the frames that it went through."""
        if isinstance(error, CryptableError):
            error = error.with_traceback(None)
            error.__cause__ = error.__context__ = None
        self.set_exception(error)

    @property
    def weight(self) -> int:
        """As how many rows it counts where rows that wait are counted: at least one for each mebibyte."""
        file = self.evaluation.file
        size = len(self.evaluation.tensor) if file is None else file.size
        return max(self.evaluation.rows, 1 + (size >> 20))

    @property
    def lane(self) -> str:
        """Rows of one lane are taken in their order, and the lanes of a principal in turn."""
        keys = self.evaluation.keys
        return f"call {self.evaluation.call}" if keys is None else keys.name

    @property
    def waited_seconds(self) -> float:
        """Since it was submitted."""
        return self._clock() - self._submitted

    def check_deadline(self, seconds: float) -> None:
        """Raise TooLateError if the caller will not wait `seconds` more."""
        deadline = self.evaluation.deadline
        if deadline is None:
            return
        left = deadline - self._clock()
        if left <= 0:
            raise TooLateError("the deadline passed before a worker was free for this row; it was not evaluated")
        if left < seconds:
            raise TooLateError(
                f"the deadline is in {left:.2f} s, and this row cannot be answered in less than about {seconds:.2f} s; "
                "it was not evaluated: call with a later deadline, or when the server has less to do"
            )
