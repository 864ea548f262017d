"""LocalExecutor: evaluation workers as processes on this machine, and who of them gets which row."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future

from cryptable_server.config import WorkerConfig
from cryptable_server.errors import DrainingError, OverloadedError
from cryptable_server.executor import Evaluated, Evaluation
from cryptable_server.throttle import CrashThrottle
from cryptable_server.worker_process import Job, Note, WorkerProcess

_MAX_REMEMBERED_KEYS = 1 << 16


class LocalExecutor:
    """An Executor of `config.count` worker processes. See `executor.Executor`."""

    def __init__(self, config: WorkerConfig, *, programs: Sequence[str] = ()) -> None:
        """Start the workers and wait until they are ready.

        Args:
            config: how many, and how much each may take.
            programs: references of programs that every worker loads before it is ready.

        Raises:
            ExecutorError: a worker does not come up in time.
        """
        self._config = config
        self._mutex = threading.Lock()
        self._worker_of: OrderedDict[str, WorkerProcess] = OrderedDict()
        self._closed = False
        self._waiting: Counter[str] = Counter()
        self._throttle = CrashThrottle(crashes=config.crashes, seconds=config.crash_seconds)
        self._programs = tuple(programs)
        self._workers = [WorkerProcess(index, config, self._programs, self._throttle) for index in range(config.count)]
        try:
            for worker in self._workers:
                worker.wait_until_ready()
        except BaseException:
            self.close()
            raise

    @property
    def worker_pids(self) -> list[int]:
        """Process ids of the workers that are up."""
        return [worker.pid for worker in self._workers if worker.pid is not None]

    @property
    def waiting(self) -> int:
        """Rows that wait or are evaluated."""
        return sum(worker.waiting for worker in self._workers)

    @property
    def deaths(self) -> int:
        """Workers that ended, or were ended, while they had a row."""
        return sum(worker.deaths for worker in self._workers)

    def submit(self, evaluation: Evaluation) -> Future[Evaluated]:
        """See Executor."""
        job = Job(evaluation)
        principal = evaluation.principal
        self._throttle.check(principal)
        with self._mutex:
            if self._closed:
                raise DrainingError()
            waiting = self.waiting
            if waiting >= self._config.queue_rows + len(self._workers):
                raise OverloadedError(f"{waiting} rows are waiting for evaluation; try again later")
            most = self._config.queue_rows_per_principal
            if most is not None and self._waiting[principal] >= most + len(self._workers):
                raise OverloadedError(f"{self._waiting[principal]} rows of yours are waiting; try again later")
            self._waiting[principal] += 1
            worker = self._choose(evaluation)
            worker.put(job)
        job.future.add_done_callback(lambda _: self._done(worker, job))
        return job.future

    def forget(self, name: str) -> None:
        """See Executor."""
        with self._mutex:
            self._worker_of.pop(name, None)
            self._tell({"do": "forget", "name": name})

    def serve(self, programs: Sequence[str]) -> None:
        """See Executor."""
        with self._mutex:
            before, self._programs = self._programs, tuple(programs)
            for worker in self._workers:
                worker.programs = self._programs
            for program in self._programs:
                if program not in before:
                    self._tell({"do": "load", "program": program})
            for program in before:
                if program not in self._programs:
                    self._tell({"do": "unload", "program": program})

    def _tell(self, facts: dict[str, str]) -> None:
        if not self._closed:
            for worker in self._workers:
                worker.put(Note(facts))

    def _done(self, worker: WorkerProcess, job: Job) -> None:
        # A row whose caller has gone makes room at once, not when its turn would have come.
        worker.drop(job)
        with self._mutex:
            self._waiting[job.evaluation.principal] -= 1
            if not self._waiting[job.evaluation.principal]:
                del self._waiting[job.evaluation.principal]

    def close(self) -> None:
        """See Executor."""
        with self._mutex:
            self._closed = True
        for worker in self._workers:
            worker.stop()
        for worker in self._workers:
            worker.join()

    def _choose(self, evaluation: Evaluation) -> WorkerProcess:
        least_busy = min(self._workers, key=lambda worker: worker.waiting)
        if evaluation.keys is None:
            return least_busy
        name = evaluation.keys.name
        worker = self._worker_of.setdefault(name, least_busy)
        self._worker_of.move_to_end(name)
        if len(self._worker_of) > _MAX_REMEMBERED_KEYS:
            self._worker_of.popitem(last=False)
        return worker
