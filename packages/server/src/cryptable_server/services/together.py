"""Together: messages that came in one call, for a service that reads those of a stream."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic

from cryptable_server.calls.grpc_entry import MessageType


class Together(Generic[MessageType]):
    """Messages that are all here: nothing is waited for."""

    def __init__(self, *messages: MessageType) -> None:
        self._messages = iter(messages)

    async def next(
        self,
        *,
        until: asyncio.Event | None = None,  # noqa: ARG002
        waits: Callable[[], bool] = lambda: False,  # noqa: ARG002
    ) -> MessageType | None:
        """The next one, or None after the last."""
        return next(self._messages, None)

    def check_pace(self, received: int) -> None:
        """They came as one message, in the time that this may take."""
