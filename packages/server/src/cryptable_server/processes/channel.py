"""Messages between the front and a worker: JSON facts and one block of bytes, length-framed. Nothing is pickled."""

from __future__ import annotations

import json
from multiprocessing.connection import Connection
from typing import Any

from cryptable_protocol import limits

_MAX_FACTS_BYTES = 1 << 16


class Channel:
    """One end of a two-way channel over a socket's file descriptor."""

    def __init__(self, descriptor: int) -> None:
        self._connection = Connection(descriptor)

    def send(self, facts: dict[str, Any], block: bytes = b"") -> None:
        """Send one message; raises OSError where the other end is gone."""
        self._connection.send_bytes(json.dumps(facts).encode())
        self._connection.send_bytes(block)

    def receive(self) -> tuple[dict[str, Any], bytes]:
        """The next message; raises EOFError or OSError where the other end is gone or breaks the limits."""
        facts = json.loads(self._connection.recv_bytes(_MAX_FACTS_BYTES))
        block = self._connection.recv_bytes(limits.MAX_MESSAGE_BYTES)
        if not isinstance(facts, dict):
            raise OSError("a message whose facts are not an object")
        return facts, block

    def wait(self, seconds: float) -> bool:
        """Whether a message (or the end) arrives within `seconds`."""
        return self._connection.poll(seconds)

    def close(self) -> None:
        """Close this end."""
        self._connection.close()
