"""KeyStore: where evaluation keys live. The interface, which a directory and an object store fill."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import ClassVar, Protocol

from cryptable_protocol import EvaluationKeysHeader

from cryptable_server.principals import Principal


@dataclass(frozen=True)
class StoredKeys:
    """Evaluation keys in a store; `reference` is where a worker finds them."""

    owner: str
    """The principal's `folder`."""
    sha256: bytes
    keyset_name: bytes
    size: int
    reference: str


@dataclass(frozen=True)
class KeysEntry:
    """Stored evaluation keys as an operator sees them."""

    keys: StoredKeys
    principal: str
    """Whose they are; empty where the store does not know the name."""
    unused_seconds: float
    """By the store's clock."""
    in_use: bool


class KeyUpload(Protocol):
    """Evaluation keys on their way in; a context manager that keeps what an interruption leaves, and nothing else."""

    def __enter__(self) -> KeyUpload:
        """Open."""

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        """Remove what was not committed, or keep it for an upload that goes on from there."""

    def write(self, offset: int, data: bytes) -> None:
        """Append the next chunk. The first may be at byte 0, or where an interrupted upload of the same keys ended.

        Raises:
            MalformedMessageError: an empty or too large chunk, a gap, an overlap, or more than the header says.
            PartGoneError: there are not, or no longer, so many bytes of these keys.
            StorageFullError: the disk has no room.
        """

    def commit(self) -> StoredKeys:
        """Make the keys durable and visible.

        Raises:
            UploadCutShortError: fewer bytes than the header says.
            KeysCorruptedError: the bytes have another SHA-256.
            StorageFullError: the disk has no room.
        """


class KeyStore(Protocol):
    """Where evaluation keys live. Safe to use from several threads."""

    far: ClassVar[bool]
    """Whether all methods but `use` and `received` may wait for another machine, so that threads have to call them."""

    def begin(self, principal: Principal, header: EvaluationKeysHeader) -> KeyUpload:
        """Start an upload; QuotaExceededError where it cannot fit."""

    def find(self, principal: Principal, sha256: bytes) -> StoredKeys:
        """The principal's keys of that digest; KeysNotFoundError where there are none."""

    def received(self, principal: Principal, sha256: bytes) -> int:
        """How many bytes of an interrupted upload of the principal's an upload of the same keys can go on from."""

    def fetch(self, principal: Principal, sha256: bytes) -> None:
        """Have the principal's keys where a worker finds them, for a `use` that follows.

        Raises:
            KeysNotFoundError: there are none.
            KeysCorruptedError: what is stored is not what was; it is gone now.
        """

    def use(self, principal: Principal, sha256: bytes) -> AbstractContextManager[StoredKeys]:
        """What `find` returns, kept from being dropped for others' sake while the block lasts."""

    def delete(self, principal: Principal, sha256: bytes) -> None:
        """Remove the principal's keys of that digest, or a part of them; KeysNotFoundError where there are none."""

    def damaged(self, principal: Principal, sha256: bytes) -> None:
        """A worker found other bytes than those of that digest: have none that are damaged."""

    def entries(self) -> tuple[KeysEntry, ...]:
        """All keys, the most recently used first."""

    def delete_of(self, principal: str, sha256: bytes | None) -> int:
        """Remove the keys of that digest, or all for None, of the principal of that name; how many sets that were.

        Raises:
            KeysNotFoundError: there are none.
        """

    def expire(self) -> int:
        """Remove what has not been used for the time to live; how many sets of keys that were."""

    @property
    def used_bytes(self) -> int:
        """All keys, and what has come of uploads."""

    @property
    def count(self) -> int:
        """Sets of keys."""

    def close(self) -> None:
        """Let go of the store."""
