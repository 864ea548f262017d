"""Answers: sends what a call answers, within a time: a caller who does not read holds nothing of a server for long."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import grpc.aio
from google.protobuf.message import Message

from cryptable_server.calls.connections import hang_up
from cryptable_server.errors import StreamTooSlowError
from cryptable_server.logs import log

_LOGGER = logging.getLogger(__name__)


class Answers:
    """The answers of one call."""

    def __init__(self, context: grpc.aio.ServicerContext[Any, Any], *, idle_seconds: float, max_seconds: float) -> None:
        """Begin.

        Args:
            context: of the call.
            idle_seconds: how long an answer may wait to be taken.
            max_seconds: from now on, how long a call may be open; what it still has to answer then may take
                `idle_seconds` altogether.
        """
        self._context = context
        self._idle_seconds = idle_seconds
        self._clock = asyncio.get_running_loop().time
        self._ends = self._clock() + max_seconds + idle_seconds
        self._begun, self._ended = False, False

    async def send(self, answer: Message) -> None:
        """Send one, when those before it have been taken, by what is between the caller and here at least.

        Raises:
            StreamTooSlowError: it was not taken in time. What has been sent may still be, and the status after it; if
                it is not within the same time again, the connection is closed.
        """
        if not self._begun:
            # By itself: a status could not follow headers that wait together with an answer.
            self._begun = True
            await self._context.send_initial_metadata(())
        seconds = max(0.0, min(self._idle_seconds, self._ends - self._clock()))
        try:
            await asyncio.wait_for(self._context.write(answer), seconds)
        except asyncio.TimeoutError:
            # gRPC holds a call until its status is taken, and offers no way to end it from here.
            self._context.add_done_callback(lambda _: self._end())  # type: ignore[arg-type]  # its stub is wrong
            asyncio.get_running_loop().call_later(self._idle_seconds, self._hang_up_unless_ended)
            raise StreamTooSlowError(f"an answer was not taken for {seconds:g} s") from None

    def _end(self) -> None:
        self._ended = True

    def _hang_up_unless_ended(self) -> None:
        if not self._ended:
            peer = self._context.peer()
            asyncio.get_running_loop().run_in_executor(None, hang_up, peer).add_done_callback(
                lambda done: log(_LOGGER, logging.INFO, "hung up", caller=peer, connections=done.result())
            )
