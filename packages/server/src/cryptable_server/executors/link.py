"""WorkerLink: the way from the front to one evaluation worker, wherever that runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from cryptable_server.executors.executor import Evaluation
from cryptable_server.executors.job import Note


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

    def evaluate(self, facts: Mapping[str, object], tensor: bytes) -> tuple[dict[str, Any], bytes]:
        """Have a row evaluated: what `worker.answer` returns for it.

        Raises:
            WorkerLostError, WorkerSilentError: there is no answer; the worker has been ended.
        """

    def tell(self, note: Note) -> None:
        """Tell the worker something; where it is not up, nothing is done."""

    def kill(self) -> None:
        """End the worker at once, and any that is being started; does not wait. For other threads."""

    def end(self) -> None:
        """End the worker, and wait for it."""


def request(evaluation: Evaluation) -> dict[str, object]:
    """What a worker is asked, but for the tensor."""
    facts: dict[str, object] = {"do": "evaluate", "program": evaluation.program}
    keys = evaluation.keys
    if keys is not None:
        facts["keys"] = {
            "name": keys.name,
            "sha256": keys.sha256.hex(),
            "location": keys.location,
            "memory_bytes": keys.memory_bytes,
        }
    return facts
