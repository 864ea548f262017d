"""Drain: how a server stops gently: from one moment on no call begins, and the end of the last one is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class Drain:
    """Counts calls, all in one event loop.

    gRPC's own graceful stop closes its port at once, and a call that arrives at that moment ends as CANCELLED, which
    tells a client nothing. So the port stays open, and answers UNAVAILABLE, until the last call has ended.
    """

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        """Set when the server is to stop."""
        self._idle = asyncio.Event()
        self._idle.set()
        self._calls = 0

    @contextmanager
    def counting(self) -> Iterator[None]:
        """While a call is being answered, or refused."""
        self._calls += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._calls -= 1
            if not self._calls:
                self._idle.set()

    async def ended(self) -> None:
        """Until no call is being answered."""
        await self._idle.wait()
