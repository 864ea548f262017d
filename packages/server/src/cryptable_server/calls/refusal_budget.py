"""RefusalBudget: how many lines are written of strangers, who may knock without end and are to fill no disk."""

from __future__ import annotations

import time

_A_SECOND = 10.0
_AT_ONCE = 100.0


class RefusalBudget:
    """Lines that may be written of refused strangers: 100 at once, 10 a second. Whoever has one guards it."""

    def __init__(self) -> None:
        self._left = _AT_ONCE
        self._refilled = time.monotonic()
        self.left_out = 0
        """Lines that were not written, since this was set to 0."""

    def admits(self) -> bool:
        """Whether one more may be written; counts it as left out where not."""
        now = time.monotonic()
        self._left = min(_AT_ONCE, self._left + (now - self._refilled) * _A_SECOND)
        self._refilled = now
        if self._left < 1:
            self.left_out += 1
            return False
        self._left -= 1
        return True
