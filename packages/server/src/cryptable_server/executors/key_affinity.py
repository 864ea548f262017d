"""KeyAffinity: which worker has which evaluation keys in memory, and so which rows it should take."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from cryptable_server.executors.executor import KeysReference
from cryptable_server.executors.job import Job
from cryptable_server.processes.key_cache import KeyCache

_RECENT_SECONDS = 60.0
"""Keys that were used in this time are not pushed out to have others twice."""
_LONG_SECONDS = 0.5
_PASSED_OVER = 2
_MANY_ROWS = 2


class KeyAffinity:
    """What the front knows of its workers' caches: a cache of names for each, with the workers' own rule of dropping.

    Not safe to use from several threads by itself.
    """

    def __init__(self, workers: int, budget_bytes: int, clock: Callable[[], float]) -> None:
        self._caches: list[KeyCache[None]] = [KeyCache(budget_bytes, clock) for _ in range(workers)]

    def used(self, worker: int, keys: KeysReference) -> None:
        """A worker is given a row with these keys."""
        self._caches[worker].get(keys.name, keys.memory_bytes, lambda: None)

    def drop(self, name: str, workers: Collection[int] | None = None) -> None:
        """Keys are not in memory any more, of all workers or some."""
        for worker, cache in enumerate(self._caches):
            if workers is None or worker in workers:
                cache.drop(name)

    def clear(self, worker: int) -> None:
        """A worker's memory is empty."""
        self._caches[worker].clear()

    def has(self, worker: int, job: Job) -> bool:
        """Whether a worker has the keys of a row, or it needs none."""
        keys = job.evaluation.keys
        return keys is None or keys.name in self._caches[worker]

    def has_room(self, worker: int, job: Job) -> bool:
        """Whether a worker can load the keys of a row, and push out none that others used lately."""
        keys = job.evaluation.keys
        return keys is None or self._caches[worker].has_room(keys.memory_bytes, recent_seconds=_RECENT_SECONDS)

    def should_take(self, worker: int, waiting: Sequence[Job], idle: Collection[int]) -> bool:
        """Whether `worker` should take the first of these rows, which have the same keys, or none.

        Keys that a worker has stay with it: expanding them costs about a second, and some times their size in memory.
        They are loaded by a second one only where work waits for the first, and where that pushes out none that others
        used lately.

        Args:
            worker: which asks.
            waiting: rows of one lane, at least one.
            idle: workers that have nothing to do, `worker` among them.
        """
        job = waiting[0]
        keys = job.evaluation.keys
        if keys is None or self.has(worker, job):
            return True
        holders = {other for other, cache in enumerate(self._caches) if keys.name in cache}
        if not holders:
            return self._recent(worker) <= min(map(self._recent, idle))
        if not holders.isdisjoint(idle):
            return False
        has_waited = (
            len(waiting) >= _MANY_ROWS or job.passed_over >= _PASSED_OVER or job.waited_seconds >= _LONG_SECONDS
        )
        return has_waited and self.has_room(worker, job)

    def _recent(self, worker: int) -> int:
        return self._caches[worker].recent_bytes(_RECENT_SECONDS)
