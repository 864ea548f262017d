"""Job: a row that waits for a worker, and the answer to come; and Share: what of it one worker takes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass

from cryptable_protocol import CryptableError

from cryptable_server.errors import TooLateError
from cryptable_server.executors.executor import Evaluated, Evaluation
from cryptable_server.executors.gathered import Gathered


class Job(Future[Evaluated]):
    """A row that waits, or is evaluated, and the answer to come.

    Several workers may have parts of it: `begin`, `gather` and `refuse` are safe to use from several threads.

    In one: a job that had a future with callbacks that know the job would keep a row's ciphertexts until Python looks
    for cycles.
    """

    def __init__(self, evaluation: Evaluation, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self.evaluation = evaluation
        self._clock = clock
        self._submitted = clock()
        self._mutex = threading.Lock()
        self._begun = False
        """Whether a worker has had it, or a part: it may wait again after that, where the worker's machine was lost."""
        self._settled = False
        self._unwanted = False
        """Whether its caller has gone since it was begun."""
        self._gathered = Gathered(evaluation.parts)
        self.losses = 0
        """How many workers' machines were lost over it."""
        self.passed_over = 0
        """How often a worker took a later row because this one's keys are with another."""

    def begin(self) -> bool:
        """Whether a worker that has taken it, or a part of it, is to go on: somebody waits for the answer."""
        with self._mutex:
            if self._settled:
                return False
            if not self._begun:
                self._begun = self.set_running_or_notify_cancel()
                self._settled = not self._begun
                return self._begun
            if not self._unwanted:
                return True
        self.refuse(CancelledError())
        return False

    def cancel(self) -> bool:
        """See Future. Of a row that was begun, no part is begun any more; then too the answer is False."""
        if super().cancel():
            return True
        self._unwanted = True
        return False

    def gather(self, share: Share, worker: int, answer: Evaluated) -> Evaluated | None:
        """A worker's answer: that to the row, where nothing is missing any more, and nothing went wrong before."""
        with self._mutex:
            if self._settled:
                return None
            whole = answer if share.part is None else self._gathered.add(share.part, worker, answer)
            self._settled = whole is not None
            return whole

    @property
    def worker_seconds(self) -> float:
        """What its parts took, all together."""
        return self._gathered.worker_seconds

    def refuse(self, error: Exception) -> None:
        """End it with an error, which for the reason above comes without the frames that it went through.

        Nothing is done where it has ended already: another of its parts may have failed before.
        """
        with self._mutex:
            if self._settled or not (self._begun or self.set_running_or_notify_cancel()):
                return
            self._settled = True
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
            what = "this row" if self.evaluation.parts == 1 else "every part of this row"
            raise TooLateError(f"the deadline passed before a worker was free for {what}; it was not evaluated")
        if left < seconds:
            raise TooLateError(
                f"the deadline is in {left:.2f} s, and this row cannot be answered in less than about {seconds:.2f} s; "
                "it was not evaluated: call with a later deadline, or when the server has less to do"
            )


@dataclass(frozen=True)
class Share:
    """What one worker takes of a row at a time: all of it, or one part."""

    job: Job
    part: int | None = None
