"""WorkerProcess: a WorkerLink to a process on this machine."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress

from cryptable_protocol import InternalError

from cryptable_server.errors import ExecutorError
from cryptable_server.executors.link import WorkerLostError, WorkerSilentError
from cryptable_server.processes.channel import Channel
from cryptable_server.processes.entry_points import ENTRY_POINTS, EntryPoints
from cryptable_server.processes.messages import Done, Evaluate, Failed, Load, Note, Ready, Report
from cryptable_server.settings.worker_config import WorkerConfig

_END_SECONDS = 5.0


class WorkerProcess:
    """See WorkerLink."""

    def __init__(self, index: int, config: WorkerConfig, entry_points: EntryPoints = ENTRY_POINTS) -> None:
        self._index = index
        self._command = entry_points.worker
        self._config = config
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: Channel | None = None
        self._killed = False

    @property
    def pid(self) -> int | None:
        """See WorkerLink."""
        process = self._process
        return None if process is None or process.poll() is not None else process.pid

    def start(self, programs: Sequence[str]) -> None:
        """See WorkerLink."""
        self.end()
        ours, theirs = socket.socketpair()
        command = [*self._command, str(theirs.fileno()), str(os.getpid())]
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
        if self._killed:
            self._process.kill()
        try:
            for program in programs:
                self._channel.send(Load(program))
            self._channel.send(Report())
            ready = self._channel.wait(self._config.start_seconds) and isinstance(self._channel.receive()[0], Ready)
        except (OSError, EOFError):
            ready = False
        if not ready:
            self.end()
            raise ExecutorError(
                f"evaluation worker {self._index} did not come up in {self._config.start_seconds:g} s; see the log"
            )

    def evaluate(self, request: Evaluate, tensor: bytes) -> tuple[Done | Failed, bytes]:
        """See WorkerLink."""
        if self._channel is None:
            raise InternalError("a worker without a channel")
        try:
            self._channel.send(request, tensor)
            if not self._channel.wait(self._config.evaluation_seconds * request.rows):
                self.end()
                raise WorkerSilentError
            answer, block = self._channel.receive()
            if not isinstance(answer, Done | Failed):
                raise OSError(f"a worker answered a row with {type(answer).__name__}")
        except (OSError, EOFError) as error:
            raise WorkerLostError(self._how_it_ended()) from error
        return answer, block

    def tell(self, note: Note) -> None:
        """See WorkerLink."""
        if self.pid is None or self._channel is None:
            return
        try:
            self._channel.send(note)
        except OSError:
            self.end()

    def kill(self) -> None:
        """See WorkerLink."""
        self._killed = True
        process = self._process
        if process is not None:
            process.kill()

    def end(self) -> None:
        """See WorkerLink."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    def _how_it_ended(self) -> str:
        status = None
        if self._process is not None:
            # Its socket closes before it has ended: let it end in its own way, to tell which.
            with suppress(subprocess.TimeoutExpired):
                status = self._process.wait(_END_SECONDS)
        self.end()
        if status is None:
            return "without closing"
        return f"with status {status}" if status >= 0 else f"by {signal.Signals(-status).name}"
