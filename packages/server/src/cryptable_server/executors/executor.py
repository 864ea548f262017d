"""Executor: who evaluates. It takes bytes and references into stores, never live objects, so it can be far away."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

from cryptable_server.principals import ANONYMOUS


@dataclass(frozen=True)
class KeysReference:
    """Evaluation keys in a store."""

    sha256: bytes
    owner: str
    """Whose they are. The same bytes of two owners are two sets of keys: else the time that a row takes would tell one
    principal what another has uploaded."""
    location: str
    memory_bytes: int
    """Estimate of what they take in a worker's memory, for its budget."""

    @property
    def name(self) -> str:
        """Requests of one name go to one worker, since expanding keys costs seconds and memory."""
        return keys_name(self.owner, self.sha256)


def keys_name(owner: str, sha256: bytes) -> str:
    """The name of an owner's evaluation keys in workers."""
    return f"{owner}/{sha256.hex()}"


@dataclass(frozen=True)
class TensorFile:
    """A tensor of rows in bulk, already validated: its seed, then its polynomials."""

    location: str
    size: int


@dataclass(frozen=True)
class Evaluation:
    """A row to evaluate, or several that travel together."""

    program: str
    """Where the compiled program is."""
    tensor: bytes
    """Canonical EncryptedTensor, already validated against the model's input type. Empty where it is in a file."""
    keys: KeysReference | None
    """None where the model needs no evaluation keys."""
    principal: str = ANONYMOUS.name
    """For whom: what waits is taken from one principal after the other."""
    model: str = ""
    """Its name, since one model's rows may fill a part of the queue only."""
    call: str = ""
    """Of which call it is: rows without keys are taken from one call of a principal after the other."""
    deadline: float | None = None
    """By the front's monotonic clock: when the caller stops waiting. None: it does not."""
    model_queue_rows: int | None = None
    """How many of the model's rows may wait; None: as many as of any model."""
    rows: int = 1
    """That the tensor holds: all that counts rows counts them."""
    file: TensorFile | None = None
    """Of rows in bulk, which is there until the evaluation has ended."""
    parts: int = 1
    """In how many it can be evaluated, by several workers at once; nothing but the evaluation counts parts."""


@dataclass(frozen=True)
class Evaluated:
    """The answer to one Evaluation."""

    tensors: tuple[bytes, ...]
    """Canonical EncryptedTensor; of a row that was evaluated in parts, that of each, in their order."""
    cpu_seconds: float
    """Of all parts together."""
    wall_seconds: float
    """Of parts, those that one worker has evaluated, whichever took longest: what others do meanwhile takes no time."""
    trim_seconds: float = 0.0
    """Of `wall_seconds`, for making the answer short."""
    queue_seconds: float = 0.0
    """From submission until a worker took it."""
    key_seconds: float = 0.0
    """Until its keys were in the memory of that worker."""
    keys_cached: bool | None = None
    """Whether they were there already, in every worker that evaluated it; None where it needs none."""
    lookups: int = 0
    rows: int = 1
    """That were evaluated, and `tensors` answers."""


class Executor(Protocol):
    """Evaluates rows. Safe to use from several threads."""

    @property
    def parallel_rows(self) -> int:
        """Rows that are evaluated at the same time, at most."""

    def submit(self, evaluation: Evaluation) -> Future[Evaluated]:
        """Queue a row. Cancelling the future drops it, if its evaluation has not begun, and any parts that have not.

        The future raises WorkerDiedError, EvaluationTimedOutError, EvaluationFailedError, KeysNotFoundError,
        KeysCorruptedError, TooLateError or DrainingError.

        Raises:
            OverloadedError: the queue is full, or holds as many rows of this principal or model as it may.
            KeysTooLargeError: the keys do not fit a worker's memory for keys.
            TooLateError: the deadline has passed, or cannot be met.
            ThrottledError: this principal's rows have ended too many workers.
        """

    def forget(self, name: str) -> None:
        """Drop the evaluation keys of that name from memory, as soon as what is being evaluated is done."""

    def serve(self, programs: Sequence[str]) -> None:
        """Have these programs in memory, and no others, as soon as what waits is done."""

    def close(self) -> None:
        """End all workers. Rows still queued get DrainingError."""
