"""Trimming: how long a thread has been making answers short: rounded, without what nobody reads, packed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class _Spent(threading.local):
    seconds = 0.0


_spent = _Spent()


@contextmanager
def trimming() -> Iterator[None]:
    """What the block does is trimming."""
    began = time.perf_counter()
    try:
        yield
    finally:
        _spent.seconds += time.perf_counter() - began


def trim_seconds() -> float:
    """Seconds of trimming in this thread since it began: of a row, the difference of two such."""
    return _spent.seconds
