"""WorkerLink: the way from the front to one evaluation worker, wherever that runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from cryptable_server.executors.executor import Evaluation
from cryptable_server.processes.messages import Done, Evaluate, Failed, KeysFile, Note


class WorkerLostError(Exception):
    """The worker ended while it had a row."""

    def __init__(self, how: str, *, innocent: bool = False) -> None:
        """`how` it ended; `innocent` where its machine was lost, so that the row may be given to another."""
        super().__init__(how)
        self.innocent = innocent


class WorkerSilentError(Exception):
    """The worker took longer than it may."""


class WorkerLink(Protocol):
    """One worker, started again when it has ended. Used by one thread, but for `pid` and `kill`."""

    @property
    def pid(self) -> int | None:
        """Process id of the worker, if it is up; of its own machine."""

    def start(self, programs: Sequence[str]) -> None:
        """Start the worker, anew if need be, and have it load programs.

        Raises:
            ExecutorError: it does not come up in time.
        """

    def evaluate(self, request: Evaluate, tensor: bytes) -> tuple[Done | Failed, bytes]:
        """Have a row or a part of one evaluated: what `worker.answer` returns for it.

        Raises:
            WorkerLostError, WorkerSilentError: there is no answer; the worker has been ended.
        """

    def tell(self, note: Note) -> None:
        """Tell the worker something; where it is not up, nothing is done."""

    def kill(self) -> None:
        """End the worker at once, and any that is being started; does not wait. For other threads."""

    def end(self) -> None:
        """End the worker, and wait for it."""


def request(evaluation: Evaluation, part: int | None) -> Evaluate:
    """What a worker is asked, but for the tensor."""
    keys = evaluation.keys
    file = None if keys is None else KeysFile(keys.name, keys.sha256.hex(), keys.location, keys.memory_bytes)
    tensor_file = "" if evaluation.file is None else evaluation.file.location
    return Evaluate(evaluation.program, file, evaluation.rows, tensor_file, part)
