"""Meter: what one connection has sent and received, and how long its phases took."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class Meter:
    """Counts bytes of messages and seconds, by phase; may be used from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._traffic = Counter[str](sent=0, received=0)
        self._timings: dict[str, float] = {}

    def count(self, phase: str, *, sent: int = 0, received: int = 0, rows: int = 0) -> None:
        """Add to what a phase sent and received, in bytes, and to the rows answered."""
        with self._lock:
            self._traffic.update(
                {"sent": sent, "received": received, f"{phase}_sent": sent, f"{phase}_received": received}
            )
            if rows:
                self._traffic["rows"] += rows

    def add_time(self, phase: str, seconds: float) -> None:
        """Add to what a phase took."""
        with self._lock:
            self._timings[phase] = self._timings.get(phase, 0.0) + seconds

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        """Add what the block takes."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.add_time(phase, time.perf_counter() - began)

    @property
    def traffic(self) -> dict[str, int]:
        """Bytes so far: "sent" and "received" in all, and by phase; "rows" counts the rows answered."""
        with self._lock:
            return dict(self._traffic)

    @property
    def timings(self) -> dict[str, float]:
        """Seconds so far, by phase."""
        with self._lock:
            return dict(self._timings)
