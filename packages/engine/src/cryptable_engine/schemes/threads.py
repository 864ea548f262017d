"""The threads of a process that evaluates: as many as it is granted cores."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache


def on_all_threads(work: Callable[[int], None], items: Iterable[int]) -> None:
    """Do the work for each item, in any order, and wait for all."""
    pool = _pool(os.getpid())
    for _ in map(work, items) if pool is None else pool.map(work, items):
        pass


def thread_count() -> int:
    """As many as OMP_NUM_THREADS says (Concrete's own programs heed it), or as there are cores."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, int(asked)) if asked.isdecimal() else usable_cores()


@cache
def _pool(_: int) -> ThreadPoolExecutor | None:
    """A process's threads."""
    count = thread_count()
    return ThreadPoolExecutor(count, thread_name_prefix="evaluation") if count > 1 else None


def share(items: int, most: int, threads: int) -> int:
    """Items that a thread takes at a time, `most` at the most, so that all threads are done at about the same time."""
    parts = threads * -(-items // (most * threads))
    return max(1, -(-items // max(1, parts)))


def usable_cores() -> int:
    """Of this machine, those that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
