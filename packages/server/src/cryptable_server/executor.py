"""Executor: who evaluates. It takes bytes and references into stores, never live objects, so it can be far away."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class KeysReference:
    """Evaluation keys in a store."""

    sha256: bytes
    """Their name; requests of one name go to one worker, since expanding keys costs seconds and memory."""
    location: str
    memory_bytes: int
    """Estimate of what they take in a worker's memory, for its budget."""


@dataclass(frozen=True)
class Evaluation:
    """One row to evaluate."""

    program: str
    """Where the compiled program is."""
    tensor: bytes
    """Canonical EncryptedTensor, already validated against the model's input type."""
    keys: KeysReference | None
    """None where the model needs no evaluation keys."""


@dataclass(frozen=True)
class Evaluated:
    """The answer to one Evaluation."""

    tensor: bytes
    """Canonical EncryptedTensor."""
    cpu_seconds: float
    wall_seconds: float


class Executor(Protocol):
    """Evaluates rows. Safe to use from several threads."""

    def submit(self, evaluation: Evaluation) -> Future[Evaluated]:
        """Queue a row. Cancelling the future drops it, if its evaluation has not begun.

        The future raises WorkerDiedError, EvaluationTimedOutError, EvaluationFailedError, KeysNotFoundError,
        KeysCorruptedError or DrainingError.

        Raises:
            OverloadedError: the queue is full.
        """

    def forget(self, sha256: bytes) -> None:
        """Drop these evaluation keys from memory, as soon as what is being evaluated is done."""

    def close(self) -> None:
        """End all workers. Rows still queued get DrainingError."""
