"""Time limits of each step of a stream: gRPC knows only one for a whole call."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

import grpc

from cryptable_client.errors import TimeoutExceededError

Answer = TypeVar("Answer")
Covariant = TypeVar("Covariant", covariant=True)


class Stream(Protocol[Covariant]):
    """Answers of a call, as they come."""

    def __iter__(self) -> Iterator[Covariant]: ...

    def cancel(self) -> object:
        """End the call."""


class Clock:
    """Ends a call where one of its steps takes too long. In a thread of its own, until `stop`.

    Args:
        cancel: what ends the call.
        timeout: seconds that a step may take.
    """

    def __init__(self, cancel: Callable[[], object], timeout: float) -> None:
        self.timeout = timeout
        self.has_struck = False
        self._cancel = cancel
        self._deadline: float | None = None
        self._is_over = False
        self._stopped = threading.Condition()
        threading.Thread(target=self._watch, name="cryptable-clock", daemon=True).start()

    def step(self) -> None:
        """A step begins."""
        with self._stopped:
            self._deadline = time.monotonic() + self.timeout

    def pause(self) -> None:
        """The step has ended; none that counts has begun."""
        with self._stopped:
            self._deadline = None

    def stop(self) -> None:
        """Nothing is waited for any more."""
        with self._stopped:
            self._is_over = True
            self._stopped.notify()

    def late(self, doing: str, what: str) -> TimeoutExceededError:
        """The error to raise where it has struck."""
        return TimeoutExceededError(
            f"{doing}: {what} within {self.timeout:g} s; try again, with a larger timeout=... if the server is busy",
            code=grpc.StatusCode.DEADLINE_EXCEEDED.name,
        )

    def _watch(self) -> None:
        with self._stopped:
            while not self._is_over:
                # A step that begins while this waits ends no earlier than this wait: nobody needs to be told.
                left = self.timeout if self._deadline is None else self._deadline - time.monotonic()
                if left <= 0:
                    self.has_struck = True
                    break
                self._stopped.wait(left)
        if self.has_struck:
            self._cancel()


@contextmanager
def clock_of(cancel: Callable[[], object], timeout: float) -> Iterator[Clock]:
    """A clock, stopped where the block ends."""
    clock = Clock(cancel, timeout)
    try:
        yield clock
    finally:
        clock.stop()


def in_time(call: Stream[Answer], timeout: float, doing: str) -> Iterator[Answer]:
    """A stream's answers, each waited for `timeout` seconds; what their reader does meanwhile does not count.

    Args:
        call: the stream, which is cancelled where an answer is late.
        timeout: seconds.
        doing: what was tried, for the message.

    Raises:
        TimeoutExceededError: an answer is late.
    """
    answers = iter(call)
    with clock_of(call.cancel, timeout) as clock:
        while True:
            clock.step()
            try:
                answer = next(answers, None)
            except grpc.RpcError as error:
                if clock.has_struck:
                    raise clock.late(doing, "no answer") from error
                raise
            clock.pause()
            if answer is None:
                return
            yield answer
