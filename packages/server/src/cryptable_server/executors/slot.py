"""WorkerSlot: the thread that keeps one worker up, takes rows for it, and answers for it when it dies."""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import Future

from cryptable_server.errors import (
    DrainingError,
    EvaluationTimedOutError,
    ExecutorError,
    WorkerDiedError,
)
from cryptable_server.executors.crash_throttle import CrashThrottle
from cryptable_server.executors.evaluation_times import EvaluationTimes
from cryptable_server.executors.executor import Evaluated, Evaluation
from cryptable_server.executors.job import Job, Share
from cryptable_server.executors.link import WorkerLink, WorkerLostError, WorkerSilentError, request
from cryptable_server.executors.row_queue import RowQueue
from cryptable_server.logs import log
from cryptable_server.processes.messages import FAILURES, Done, Failed
from cryptable_server.settings.worker_config import WorkerConfig

_LOGGER = logging.getLogger(__name__)
_RESTART_SECONDS = 1.0
"""Between two attempts to start a worker that does not come up."""
_MOST_LOSSES = 3
"""A row with which so many machines were lost may be why."""


class WorkerSlot:
    """One worker of an executor.

    The thread lives as long as the worker: Linux ties the life of a child process to the thread that started it.
    """

    def __init__(
        self,
        index: int,
        link: WorkerLink,
        config: WorkerConfig,
        queue: RowQueue,
        *,
        times: EvaluationTimes,
        throttle: CrashThrottle,
        programs: tuple[str, ...],
    ) -> None:
        self._index = index
        self._link = link
        self._config = config
        self._queue = queue
        self._times = times
        self._throttle = throttle
        self.programs = programs
        """Loaded whenever the worker starts."""
        self.answered = 0
        """Rows that it has evaluated."""
        self.deaths = 0
        """Times that the worker ended, or was ended, while it had a row."""
        self._started: Future[None] = Future()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"worker-{index}", daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int | None:
        """Of the worker's process, if it is up."""
        return self._link.pid

    def wait_until_ready(self) -> None:
        """Return when the worker is up for the first time; raises ExecutorError where it does not come up."""
        self._started.result()

    def stop(self) -> None:
        """End the worker, and with the queue closed, the thread; does not wait."""
        self._stopping.set()
        self._link.kill()

    def join(self) -> None:
        """Wait until the thread, and with it the worker, has ended."""
        self._thread.join()

    def _run(self) -> None:
        try:
            self._start()
        except ExecutorError as error:
            self._started.set_exception(error)
            return
        self._started.set_result(None)
        while (work := self._queue.take(self._index)) is not None:
            if isinstance(work, Share):
                self._answer(work)
            else:
                self._link.tell(work)
            del work  # a row is not kept until there is another
        self._link.end()

    def _start(self) -> None:
        began = time.monotonic()
        self._queue.emptied(self._index)
        self._link.start(self.programs)
        self._queue.worker_up(self._index)
        seconds = round(time.monotonic() - began, 3)
        log(_LOGGER, logging.INFO, "worker up", worker=self._index, pid=self._link.pid, seconds=seconds)

    def _answer(self, share: Share) -> None:
        job = share.job
        if not job.begin():
            return
        try:
            answer = self._evaluate(share)
        except WorkerLostError as error:
            # Only what the worker's machine took with it comes here.
            log(_LOGGER, logging.ERROR, "worker lost", worker=self._index, how=str(error))
            self._queue.emptied(self._index)
            self._queue.put_back(share)
        except Exception as error:  # noqa: BLE001 - whatever happens, the caller waits for it
            job.refuse(error)
        else:
            self._gather(share, answer)
        while self._link.pid is None and not self._stopping.is_set():
            # At once, so that the next row need not wait for the worker's imports.
            try:
                self._start()
            except ExecutorError as error:
                log(_LOGGER, logging.ERROR, "worker does not come up", worker=self._index, reason=str(error))
                for waiting in self._queue.abandoned():
                    waiting.refuse(WorkerDiedError(f"no evaluation worker is up ({error}); try again later"))
                self._stopping.wait(_RESTART_SECONDS)

    def _gather(self, share: Share, answer: Evaluated) -> None:
        job = share.job
        whole = job.gather(share, self._index, answer)
        if whole is None:
            return
        if whole.keys_cached is not False:
            seconds = whole.wall_seconds if share.part is None else job.worker_seconds
            self._times.add(job.evaluation.program, seconds / whole.rows)
        self.answered += whole.rows
        job.set_result(whole)

    def _evaluate(self, share: Share) -> Evaluated:
        if self._stopping.is_set():
            raise DrainingError()
        job, evaluation = share.job, share.job.evaluation
        parts = 1 if share.part is None else evaluation.parts
        job.check_deadline(self._times.fastest(evaluation.program) * evaluation.rows / parts)
        queue_seconds = job.waited_seconds
        if self._link.pid is None:
            # It died while it was idle: nobody's row is lost.
            try:
                self._start()
            except ExecutorError as error:
                raise WorkerDiedError(f"the evaluation worker does not come up ({error}); try again later") from error
        try:
            answer, tensor = self._link.evaluate(request(evaluation, share.part), evaluation.tensor)
        except WorkerSilentError as error:
            self._count_death(job)
            log(_LOGGER, logging.ERROR, "evaluation timed out", worker=self._index, **_about(evaluation))
            raise EvaluationTimedOutError(
                f"the evaluation took longer than {self._config.evaluation_seconds:g} s a row, which this server "
                "allows; sending the row again will not help"
            ) from error
        except WorkerLostError as error:
            if self._stopping.is_set():
                raise DrainingError() from error
            job.losses += 1
            if error.innocent and job.losses < _MOST_LOSSES:
                raise
            self._count_death(job)
            log(_LOGGER, logging.ERROR, "worker died", worker=self._index, how=str(error), **_about(evaluation))
            raise WorkerDiedError(
                f"the worker that evaluated this row ended {error} and is being replaced; "
                "it is safe to send the same row again, once: if it fails again, the row or the keys are the cause"
            ) from error
        if isinstance(answer, Failed):
            if evaluation.keys is not None:
                # Whether they were loaded before it failed is not known; if they were, nothing but a hint is lost.
                self._queue.forget(evaluation.keys.name, self._index)
            raise FAILURES[answer.error](answer.message)
        return _evaluated(evaluation, answer, tensor, queue_seconds)

    def _count_death(self, job: Job) -> None:
        self.deaths += 1
        self._throttle.crashed(job.evaluation.principal)


def _evaluated(evaluation: Evaluation, done: Done, tensor: bytes, queue_seconds: float) -> Evaluated:
    return Evaluated(
        (tensor,),
        cpu_seconds=done.cpu_seconds,
        wall_seconds=done.wall_seconds,
        trim_seconds=min(done.trim_seconds, done.wall_seconds),
        queue_seconds=queue_seconds,
        key_seconds=done.key_seconds,
        keys_cached=done.keys_cached,
        lookups=done.lookups,
        rows=evaluation.rows,
    )


def _about(evaluation: Evaluation) -> dict[str, object]:
    # A worker's thread is outside the call, whose log line has the same id.
    return {"request_id": evaluation.call, "model": evaluation.model}
