"""FairQueue: what waits, taken from one owner after the other, however much each has put in."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from typing import Generic, TypeVar

Item = TypeVar("Item")


class FairQueue(Generic[Item]):
    """A queue of queues, one for each owner, served in turn. Safe to use from several threads."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._urgent: deque[Item] = deque()
        self._queues: OrderedDict[str, deque[Item]] = OrderedDict()
        self._closed = False

    def put(self, owner: str, item: Item) -> None:
        """Add behind what the owner has put in already."""
        with self._condition:
            self._queues.setdefault(owner, deque()).append(item)
            self._condition.notify()

    def put_urgent(self, item: Item) -> None:
        """Add before everything but what is urgent too."""
        with self._condition:
            self._urgent.append(item)
            self._condition.notify()

    def remove(self, owner: str, item: Item) -> bool:
        """Take an item out, wherever it stands; False where it has been taken already."""
        with self._condition:
            queue = self._queues.get(owner, deque())
            for index, other in enumerate(queue):
                if other is item:
                    del queue[index]
                    if not queue:
                        del self._queues[owner]
                    return True
            return False

    def get(self) -> Item | None:
        """The next item, waited for; None when the queue has been closed and everything was taken."""
        with self._condition:
            while True:
                if self._urgent:
                    return self._urgent.popleft()
                if self._queues:
                    owner, queue = self._queues.popitem(last=False)
                    item = queue.popleft()
                    if queue:
                        self._queues[owner] = queue  # behind all other owners
                    return item
                if self._closed:
                    return None
                self._condition.wait()

    def close(self) -> None:
        """Let `get` return None once everything is taken."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()
