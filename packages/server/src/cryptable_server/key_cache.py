"""KeyCache: expanded evaluation keys in a worker's memory, the least recently used dropped first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

Keys = TypeVar("Keys")


class KeyCache(Generic[Keys]):
    """Loaded keys by name, of at most `budget_bytes` together; one set larger than that is kept alone."""

    def __init__(self, budget_bytes: int) -> None:
        self._budget_bytes = budget_bytes
        self._entries: OrderedDict[str, tuple[Keys, int]] = OrderedDict()

    @property
    def used_bytes(self) -> int:
        """Estimate of what the keys take."""
        return sum(size for _, size in self._entries.values())

    def __contains__(self, name: str) -> bool:
        """Whether the keys called `name` are here."""
        return name in self._entries

    def get(self, name: str, size: int, load: Callable[[], Keys]) -> Keys:
        """The keys called `name`, of `size` bytes, loaded if need be. Room is made before they are loaded."""
        found = self._entries.get(name)
        if found is not None:
            self._entries.move_to_end(name)
            return found[0]
        while self._entries and self.used_bytes + size > self._budget_bytes:
            self._entries.popitem(last=False)
        keys = load()
        self._entries[name] = keys, size
        return keys

    def drop(self, name: str) -> None:
        """Forget the keys called `name`, if they are here."""
        self._entries.pop(name, None)
