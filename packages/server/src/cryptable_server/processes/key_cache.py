"""KeyCache: which expanded evaluation keys a worker has in memory, the least recently used dropped first.

A worker keeps the keys themselves in one; the front keeps one of names for each worker, and so knows what is where.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from cryptable_server.errors import KeysTooLargeError

Keys = TypeVar("Keys")
_MEGABYTE = 1 << 20


@dataclass
class _Entry(Generic[Keys]):
    keys: Keys
    size: int
    used_at: float


class KeyCache(Generic[Keys]):
    """Loaded keys by name, of at most `budget_bytes` together."""

    def __init__(self, budget_bytes: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._budget_bytes = budget_bytes
        self._clock = clock
        self._entries: OrderedDict[str, _Entry[Keys]] = OrderedDict()

    @property
    def used_bytes(self) -> int:
        """Estimate of what the keys take."""
        return sum(entry.size for entry in self._entries.values())

    def __contains__(self, name: str) -> bool:
        """Whether the keys called `name` are here."""
        return name in self._entries

    def get(self, name: str, size: int, load: Callable[[], Keys]) -> Keys:
        """The keys called `name`, of `size` bytes, loaded if need be. Room is made before they are loaded.

        Raises:
            KeysTooLargeError: they do not fit, whatever else is dropped.
        """
        found = self._entries.get(name)
        if found is not None:
            self._entries.move_to_end(name)
            found.used_at = self._clock()
            return found.keys
        check_size(size, self._budget_bytes)
        while self._entries and self.used_bytes + size > self._budget_bytes:
            self._entries.popitem(last=False)
        keys = load()
        self._entries[name] = _Entry(keys, size, self._clock())
        return keys

    def recent_bytes(self, seconds: float) -> int:
        """What keys take that were used in the last `seconds`."""
        since = self._clock() - seconds
        return sum(entry.size for entry in self._entries.values() if entry.used_at >= since)

    def has_room(self, size: int, *, recent_seconds: float) -> bool:
        """Whether keys of `size` bytes would push out none that were used in the last `recent_seconds`."""
        return self.recent_bytes(recent_seconds) + size <= self._budget_bytes

    def drop(self, name: str) -> None:
        """Forget the keys called `name`, if they are here."""
        self._entries.pop(name, None)

    def clear(self) -> None:
        """Forget all."""
        self._entries.clear()


def check_size(size: int, budget_bytes: int) -> None:
    """Raise KeysTooLargeError where keys of `size` bytes fit no worker."""
    if size > budget_bytes:
        raise KeysTooLargeError(
            f"these evaluation keys take about {size / _MEGABYTE:.0f} MB in a worker's memory, and a worker of this "
            f"server keeps at most {budget_bytes / _MEGABYTE:.0f} MB of keys; its operator can raise --key-memory"
        )
