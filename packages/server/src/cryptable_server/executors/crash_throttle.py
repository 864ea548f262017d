"""CrashThrottle: a principal whose rows end one worker after the other has to wait."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable

from cryptable_server.errors import ThrottledError
from cryptable_server.principals import ANONYMOUS

_MAX_REMEMBERED = 1 << 12


class CrashThrottle:
    """Counts the workers that each principal's rows have ended. Safe to use from several threads.

    Anonymous callers are not counted: they cannot be told apart, and one would shut out all others.
    """

    def __init__(self, *, crashes: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Refuse a principal after `crashes` in the last `seconds`, until the first of them is that old."""
        self._crashes = crashes
        self._seconds = seconds
        self._clock = clock
        self._mutex = threading.Lock()
        self._times: OrderedDict[str, deque[float]] = OrderedDict()

    def check(self, principal: str) -> None:
        """Raise ThrottledError if the principal has to wait."""
        with self._mutex:
            times = self._times.get(principal)
            if times is None or len(times) < self._crashes:
                return
            wait = times[0] + self._seconds - self._clock()
        if wait > 0:
            raise ThrottledError(
                f"{self._crashes} evaluation workers ended over your rows in the last {self._seconds:g} s; "
                "rows or keys that end a worker do so again: encrypt and upload anew before you try again",
                retry_after=wait,
            )

    def crashed(self, principal: str) -> None:
        """Count one."""
        if principal == ANONYMOUS.name:
            return
        with self._mutex:
            self._times.setdefault(principal, deque(maxlen=self._crashes)).append(self._clock())
            self._times.move_to_end(principal)
            if len(self._times) > _MAX_REMEMBERED:
                self._times.popitem(last=False)
