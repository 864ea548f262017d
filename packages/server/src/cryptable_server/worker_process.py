"""WorkerProcess: one evaluation worker as the front sees it, owned by one thread, replaced when it dies."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
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
    ServerError,
    WorkerDiedError,
)
from cryptable_server.executor import Evaluated, Evaluation
from cryptable_server.fair_queue import FairQueue
from cryptable_server.logs import log
from cryptable_server.throttle import CrashThrottle

_LOGGER = logging.getLogger(__name__)
_RESTART_SECONDS = 1.0
"""Between two attempts to start a worker that does not come up."""
_END_SECONDS = 5.0
_ERRORS: dict[str, type[ServerError]] = {
    "keys_not_found": KeysNotFoundError,
    "keys_corrupted": KeysCorruptedError,
    "failed": EvaluationFailedError,
}


@dataclass(frozen=True)
class Job:
    """A row that waits, or is evaluated."""

    evaluation: Evaluation
    future: Future[Evaluated] = field(default_factory=Future)
    submitted: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class Note:
    """Something that a worker is told and does not answer."""

    facts: dict[str, str]


class WorkerProcess:
    """One worker process, replaced when it dies, and the thread that starts it and talks to it.

    The thread lives as long as the process: Linux ties the life of a child to the thread that started it.
    """

    def __init__(self, index: int, config: WorkerConfig, programs: tuple[str, ...], throttle: CrashThrottle) -> None:
        self._index = index
        self._config = config
        self.programs = programs
        """Loaded whenever the process starts."""
        self._throttle = throttle
        self.deaths = 0
        """Times that the process ended, or was ended, while it had a row."""
        self._jobs: FairQueue[Job | Note] = FairQueue()
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

    def put(self, job: Job | Note) -> None:
        """Queue a job."""
        if isinstance(job, Note):
            self._jobs.put_urgent(job)
        else:
            self._count(1)
            self._jobs.put(job.evaluation.principal, job)

    def drop(self, job: Job) -> None:
        """Take a job out of the queue, if its turn has not come."""
        if self._jobs.remove(job.evaluation.principal, job):
            self._count(-1)

    def wait_until_ready(self) -> None:
        """Return when the first process is up; raises ExecutorError where it does not come up."""
        self._started.result()

    def stop(self) -> None:
        """Kill the process and refuse what is queued; does not wait."""
        self._stopping.set()
        self._jobs.close()
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
            if isinstance(job, Note):
                self._tell(job)
            else:
                self._answer(job)
        self._end_process()

    def _answer(self, job: Job) -> None:
        try:
            if not job.future.set_running_or_notify_cancel():
                return
            try:
                answer = self._evaluate(job.evaluation, time.monotonic() - job.submitted)
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

    def _evaluate(self, evaluation: Evaluation, queue_seconds: float) -> Evaluated:
        if self._stopping.is_set():
            raise DrainingError()
        if self.pid is None:
            # It died while it was idle: nobody's row is lost.
            self._restart()
        channel = self._up()
        keys = evaluation.keys
        facts: dict[str, object] = {"do": "evaluate", "program": evaluation.program}
        if keys is not None:
            facts["keys"] = {
                "name": keys.name,
                "sha256": keys.sha256.hex(),
                "location": keys.location,
                "memory_bytes": keys.memory_bytes,
            }
        try:
            channel.send(facts, evaluation.tensor)
            if not channel.wait(self._config.evaluation_seconds):
                self._end_process()
                self._count_death(evaluation)
                log(_LOGGER, logging.ERROR, "evaluation timed out", worker=self._index)
                raise EvaluationTimedOutError(
                    f"the evaluation took longer than {self._config.evaluation_seconds:g} s, which this server allows; "
                    "sending the row again will not help"
                )
            answer, tensor = channel.receive()
        except (OSError, EOFError, ValueError) as error:
            raise self._died(evaluation) from error
        if answer.get("done"):
            cached = answer["keys_cached"]
            return Evaluated(
                tensor,
                cpu_seconds=float(answer["cpu_seconds"]),
                wall_seconds=float(answer["wall_seconds"]),
                queue_seconds=queue_seconds,
                key_seconds=float(answer["key_seconds"]),
                keys_cached=None if cached is None else bool(cached),
                lookups=int(answer["lookups"]),
            )
        raise _ERRORS.get(str(answer.get("error")), EvaluationFailedError)(str(answer.get("message")))

    def _died(self, evaluation: Evaluation) -> ServerError:
        process, stopping = self._process, self._stopping.is_set()
        status = None
        if process is not None:
            # Its socket closes before it has ended: let it end in its own way, to tell which.
            with suppress(subprocess.TimeoutExpired):
                status = process.wait(_END_SECONDS)
        self._end_process()
        if stopping:
            return DrainingError()
        self._count_death(evaluation)
        how = _how_it_ended(status)
        log(_LOGGER, logging.ERROR, "worker died", worker=self._index, how=how)
        return WorkerDiedError(
            f"the worker that evaluated this row ended {how} and is being replaced; "
            "it is safe to send the same row again, once: if it fails again, the row or the keys are the cause"
        )

    def _count_death(self, evaluation: Evaluation) -> None:
        self.deaths += 1
        self._throttle.crashed(evaluation.principal)

    def _tell(self, note: Note) -> None:
        if self.pid is None:
            return
        try:
            self._up().send(note.facts)
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
            for program in self.programs:
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
