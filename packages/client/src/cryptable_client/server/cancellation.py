"""Cancellation: lets whoever waits for a call in another thread end it."""

from __future__ import annotations

import threading
from contextvars import ContextVar
from typing import Protocol


class Cancellable(Protocol):
    """A call that can be ended."""

    def cancel(self) -> object:
        """End it."""


class Cancellation:
    """Ends the calls that are made under it, now and later."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._call: Cancellable | None = None
        self._cancelled = False

    def attach(self, call: Cancellable) -> None:
        """The call that is under way now."""
        with self._lock:
            self._call = call
            if self._cancelled:
                call.cancel()

    def cancel(self) -> None:
        """End it."""
        with self._lock:
            self._cancelled = True
            if self._call is not None:
                self._call.cancel()


CURRENT: ContextVar[Cancellation | None] = ContextVar("cryptable_cancellation", default=None)
"""That of the calls made in this context."""
