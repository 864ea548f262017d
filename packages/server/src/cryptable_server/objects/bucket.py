"""Bucket: what the server asks of an object store: whole objects by name, lists that are not behind, its clock."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

_CLOCK = "clock"
_NOW = f"{_CLOCK}/now"


@dataclass(frozen=True)
class StoredObject:
    """One object, as a list has it."""

    name: str
    """With slashes between its parts, from the place of the bucket on."""
    size: int
    modified: float
    """When it was put, in seconds by the object store's clock."""
    tag: str = ""
    """Changes with the object's content."""


class NoSuchObjectError(KeyError):
    """There is no object of that name; its callers know what that means."""


class Bucket(Protocol):
    """A place in a bucket. Safe to use from several threads; every method waits for the network.

    A put is whole or not at all, and lists and gets that begin after it has ended see it; so do those after a removal.
    All raise ObjectStoreError where the store does not answer.
    """

    def put(self, name: str, content: bytes | Path) -> None:
        """Store bytes, or a file's, in place of what had the name."""

    def get(self, name: str) -> Iterator[bytes]:
        """The content, piece by piece; NoSuchObjectError where there is none of that name."""

    def find(self, folder: str) -> Iterator[list[StoredObject]]:
        """All objects in a folder and those below it, by pages, in no certain order; "" is the whole place."""

    def remove(self, name: str) -> None:
        """Remove an object, if it is there."""


class ObjectClock:
    """The clock of an object store, which all servers that share it agree on, and no server's wall clock can move."""

    def __init__(self, bucket: Bucket) -> None:
        """Ask for the time; raises ObjectStoreError, too where nothing can be put."""
        self._bucket = bucket
        self._mutex = threading.Lock()
        self._ahead = -float("inf")
        self.ask()

    def now(self) -> float:
        """Seconds since the epoch; never goes back."""
        return self._ahead + time.monotonic()

    def ask(self) -> None:
        """Put an object, and see when that was: as late as asked at least, by what the network takes."""
        self._bucket.put(_NOW, b"when this was put is what time it is\n")
        seen = [found for page in self._bucket.find(_CLOCK) for found in page if found.name == _NOW]
        with self._mutex:
            for found in seen:
                self._ahead = max(self._ahead, found.modified - time.monotonic())
