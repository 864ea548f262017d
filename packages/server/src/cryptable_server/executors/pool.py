"""WorkerPool: an Executor of several workers on one queue, whichever way each of them is reached."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from cryptable_server.errors import DrainingError
from cryptable_server.executors.crash_throttle import CrashThrottle
from cryptable_server.executors.evaluation_times import EvaluationTimes
from cryptable_server.executors.executor import Evaluated, Evaluation
from cryptable_server.executors.job import Job
from cryptable_server.executors.link import WorkerLink
from cryptable_server.executors.row_queue import RowQueue
from cryptable_server.executors.slot import WorkerSlot
from cryptable_server.processes.messages import Forget, Load, Unload
from cryptable_server.settings.worker_config import WorkerConfig


class WorkerPool:
    """An Executor of `config.count` workers. See `executor.Executor`."""

    def __init__(
        self,
        config: WorkerConfig,
        connect: Callable[[int], WorkerLink],
        *,
        programs: Sequence[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start the workers and wait until they are ready.

        Args:
            config: how many, and how much each may take.
            connect: makes the link to a worker of that number.
            programs: references of programs that every worker loads before it is ready.
            clock: seconds, by which rows have waited and deadlines pass.

        Raises:
            ExecutorError: a worker does not come up in time.
        """
        self._mutex = threading.Lock()
        self._closed = False
        self._clock = clock
        self._programs = tuple(programs)
        times = EvaluationTimes()
        self._throttle = CrashThrottle(crashes=config.crashes, seconds=config.crash_seconds, clock=clock)
        self._queue = RowQueue(config, times, clock)
        self._slots = [
            WorkerSlot(
                index,
                connect(index),
                config,
                self._queue,
                times=times,
                throttle=self._throttle,
                programs=self._programs,
            )
            for index in range(config.count)
        ]
        try:
            for slot in self._slots:
                slot.wait_until_ready()
        except BaseException:
            self.close()
            raise

    @property
    def parallel_rows(self) -> int:
        """See Executor."""
        return len(self._slots)

    @property
    def worker_pids(self) -> list[int]:
        """Process ids of the workers that are up."""
        return [slot.pid for slot in self._slots if slot.pid is not None]

    @property
    def waiting(self) -> int:
        """Rows that wait or are evaluated."""
        return self._queue.rows

    @property
    def answered(self) -> list[int]:
        """Rows that each worker has evaluated."""
        return [slot.answered for slot in self._slots]

    @property
    def deaths(self) -> int:
        """Workers that ended, or were ended, while they had a row."""
        return sum(slot.deaths for slot in self._slots)

    def submit(self, evaluation: Evaluation) -> Future[Evaluated]:
        """See Executor."""
        job = Job(evaluation, self._clock)
        self._throttle.check(evaluation.principal)
        with self._mutex:
            if self._closed:
                raise DrainingError()
            self._queue.put(job)
        # A row whose caller has gone makes room at once, not when its turn would have come.
        job.add_done_callback(self._finished)
        return job

    def _finished(self, ended: Future[Evaluated]) -> None:
        if isinstance(ended, Job):
            self._queue.finished(ended)

    def forget(self, name: str) -> None:
        """See Executor."""
        self._queue.forget(name)
        self._queue.tell(Forget(name))

    def serve(self, programs: Sequence[str]) -> None:
        """See Executor."""
        with self._mutex:
            before, self._programs = self._programs, tuple(programs)
            for slot in self._slots:
                slot.programs = self._programs
            for program in self._programs:
                if program not in before:
                    self._queue.tell(Load(program))
            for program in before:
                if program not in self._programs:
                    self._queue.tell(Unload(program))

    def close(self) -> None:
        """See Executor."""
        with self._mutex:
            self._closed = True
        self._queue.close()
        for slot in self._slots:
            slot.stop()
        for slot in self._slots:
            slot.join()
