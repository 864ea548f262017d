"""LocalExecutor: evaluation workers as processes on this machine, each owned by one thread of the front."""

from __future__ import annotations

import logging
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field

from cryptable_protocol import InternalError

from cryptable_server.channel import Channel
from cryptable_server.config import WorkerConfig
from cryptable_server.errors import (
    DrainingError,
    EvaluationFailedError,
    EvaluationTimedOutError,
    ExecutorError,
    KeysCorruptedError,
    KeysNotFoundError,
    OverloadedError,
    ServerError,
    WorkerDiedError,
)
from cryptable_server.executor import Evaluated, Evaluation
from cryptable_server.logs import log

_LOGGER = logging.getLogger(__name__)
_MAX_REMEMBERED_KEYS = 1 << 16
_RESTART_SECONDS = 1.0
"""Between two attempts to start a worker that does not come up."""
_END_SECONDS = 5.0
_ERRORS: dict[str, type[ServerError]] = {
    "keys_not_found": KeysNotFoundError,
    "keys_corrupted": KeysCorruptedError,
    "failed": EvaluationFailedError,
}


@dataclass(frozen=True)
class _Job:
    evaluation: Evaluation
    future: Future[Evaluated] = field(default_factory=Future)


@dataclass(frozen=True)
class _Forget:
    sha256: bytes


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
        self._worker_of: OrderedDict[bytes, _Worker] = OrderedDict()
        self._closed = False
        self._workers = [_Worker(index, config, tuple(programs)) for index in range(config.count)]
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

    def submit(self, evaluation: Evaluation) -> Future[Evaluated]:
        """See Executor."""
        job = _Job(evaluation)
        with self._mutex:
            if self._closed:
                raise DrainingError()
            waiting = sum(worker.waiting for worker in self._workers)
            if waiting >= self._config.queue_rows + len(self._workers):
                raise OverloadedError(f"{waiting} rows are waiting for evaluation; try again later")
            self._choose(evaluation).put(job)
        return job.future

    def forget(self, sha256: bytes) -> None:
        """See Executor."""
        with self._mutex:
            self._worker_of.pop(sha256, None)
            if not self._closed:
                for worker in self._workers:
                    worker.put(_Forget(sha256))

    def close(self) -> None:
        """See Executor."""
        with self._mutex:
            self._closed = True
        for worker in self._workers:
            worker.stop()
        for worker in self._workers:
            worker.join()

    def _choose(self, evaluation: Evaluation) -> _Worker:
        least_busy = min(self._workers, key=lambda worker: worker.waiting)
        if evaluation.keys is None:
            return least_busy
        name = evaluation.keys.sha256
        worker = self._worker_of.setdefault(name, least_busy)
        self._worker_of.move_to_end(name)
        if len(self._worker_of) > _MAX_REMEMBERED_KEYS:
            self._worker_of.popitem(last=False)
        return worker


class _Worker:
    """One worker process, replaced when it dies, and the thread that starts it and talks to it.

    The thread lives as long as the process: Linux ties the life of a child to the thread that started it.
    """

    def __init__(self, index: int, config: WorkerConfig, programs: tuple[str, ...]) -> None:
        self._index = index
        self._config = config
        self._programs = programs
        self._jobs: queue.SimpleQueue[_Job | _Forget | None] = queue.SimpleQueue()
        self._count_mutex = threading.Lock()
        self._waiting = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: Channel | None = None
        self._started: Future[None] = Future()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"worker-{index}", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Rows that wait for this worker or are evaluated by it."""
        return self._waiting

    @property
    def pid(self) -> int | None:
        """Of the process, if it is up."""
        process = self._process
        return None if process is None or process.poll() is not None else process.pid

    def put(self, job: _Job | _Forget) -> None:
        """Queue a job."""
        if isinstance(job, _Job):
            self._count(1)
        self._jobs.put(job)

    def wait_until_ready(self) -> None:
        """Return when the first process is up; raises ExecutorError where it does not come up."""
        self._started.result()

    def stop(self) -> None:
        """Kill the process and refuse what is queued; does not wait."""
        self._stopping.set()
        self._jobs.put(None)  # behind all other jobs, since none is put once the executor is closed
        process = self._process
        if process is not None:
            process.kill()

    def join(self) -> None:
        """Wait until the thread, and with it the process, has ended."""
        self._thread.join()

    def _count(self, change: int) -> None:
        with self._count_mutex:
            self._waiting += change

    def _run(self) -> None:
        try:
            self._start()
        except ExecutorError as error:
            self._started.set_exception(error)
            return
        self._started.set_result(None)
        while (job := self._jobs.get()) is not None:
            if isinstance(job, _Forget):
                self._forget(job)
            else:
                self._answer(job)
        self._end_process()

    def _answer(self, job: _Job) -> None:
        try:
            if not job.future.set_running_or_notify_cancel():
                return
            try:
                answer = self._evaluate(job.evaluation)
            except Exception as error:  # noqa: BLE001 - whatever happens, the caller waits for it
                job.future.set_exception(error)
            else:
                job.future.set_result(answer)
        finally:
            self._count(-1)
        if self.pid is None and not self._stopping.is_set():
            # At once, so that the next row need not wait for the worker's imports.
            try:
                self._start()
            except ExecutorError as error:
                log(_LOGGER, logging.ERROR, "worker does not come up", worker=self._index, reason=str(error))
                self._stopping.wait(_RESTART_SECONDS)

    def _evaluate(self, evaluation: Evaluation) -> Evaluated:
        if self._stopping.is_set():
            raise DrainingError()
        if self.pid is None:
            # It died while it was idle: nobody's row is lost.
            self._restart()
        channel = self._up()
        keys = evaluation.keys
        facts: dict[str, object] = {"do": "evaluate", "program": evaluation.program}
        if keys is not None:
            facts["keys"] = {"sha256": keys.sha256.hex(), "location": keys.location, "memory_bytes": keys.memory_bytes}
        try:
            channel.send(facts, evaluation.tensor)
            if not channel.wait(self._config.evaluation_seconds):
                self._end_process()
                log(_LOGGER, logging.ERROR, "evaluation timed out", worker=self._index)
                raise EvaluationTimedOutError(
                    f"the evaluation took longer than {self._config.evaluation_seconds:g} s, which this server allows; "
                    "sending the row again will not help"
                )
            answer, tensor = channel.receive()
        except (OSError, EOFError, ValueError) as error:
            raise self._died() from error
        if answer.get("done"):
            return Evaluated(tensor, float(answer["cpu_seconds"]), float(answer["wall_seconds"]))
        raise _ERRORS.get(str(answer.get("error")), EvaluationFailedError)(str(answer.get("message")))

    def _died(self) -> ServerError:
        process, stopping = self._process, self._stopping.is_set()
        status = None
        if process is not None:
            # Its socket closes before it has ended: let it end in its own way, to tell which.
            with suppress(subprocess.TimeoutExpired):
                status = process.wait(_END_SECONDS)
        self._end_process()
        if stopping:
            return DrainingError()
        how = _how_it_ended(status)
        log(_LOGGER, logging.ERROR, "worker died", worker=self._index, how=how)
        return WorkerDiedError(
            f"the worker that evaluated this row ended {how} and is being replaced; "
            "it is safe to send the same row again, once: if it fails again, the row or the keys are the cause"
        )

    def _forget(self, job: _Forget) -> None:
        if self.pid is None:
            return
        try:
            self._up().send({"do": "forget", "sha256": job.sha256.hex()})
        except OSError:
            self._end_process()

    def _restart(self) -> None:
        try:
            self._start()
        except ExecutorError as error:
            raise WorkerDiedError(f"no evaluation worker is up ({error}); try again later") from error

    def _up(self) -> Channel:
        if self._channel is None:
            raise InternalError("a worker without a channel")
        return self._channel

    def _start(self) -> None:
        self._end_process()
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-m", "cryptable_server.worker", str(theirs.fileno()), str(os.getpid())]
        command += [str(self._config.key_memory_bytes), str(self._config.memory_bytes or 0)]
        environment = {**os.environ, "OMP_NUM_THREADS": str(self._config.threads), "PYTHONUNBUFFERED": "1"}
        with theirs:
            # A session of its own keeps a terminal's Ctrl-C away; standard output is the front's ready line alone.
            self._process = subprocess.Popen(
                command,
                pass_fds=[theirs.fileno()],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=sys.__stderr__,
                start_new_session=True,
            )
        self._channel = Channel(ours.detach())
        if self._stopping.is_set():
            self._process.kill()
        began = time.monotonic()
        try:
            for program in self._programs:
                self._channel.send({"do": "load", "program": program})
            self._channel.send({"do": "report"})
            ready = self._channel.wait(self._config.start_seconds) and self._channel.receive()[0].get("ready")
        except (OSError, EOFError, ValueError):
            ready = False
        if not ready:
            self._end_process()
            raise ExecutorError(
                f"evaluation worker {self._index} did not come up in {self._config.start_seconds:g} s; see the log"
            )
        seconds = round(time.monotonic() - began, 3)
        log(_LOGGER, logging.INFO, "worker up", worker=self._index, pid=self._process.pid, seconds=seconds)

    def _end_process(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        if self._channel is not None:
            self._channel.close()
            self._channel = None


def _how_it_ended(status: int | None) -> str:
    if status is None:
        return "without closing"
    return f"with status {status}" if status >= 0 else f"by {signal.Signals(-status).name}"
