"""Messages between the front and a worker: JSON facts and one block of bytes, length-framed. Nothing is pickled."""

from __future__ import annotations

import json
from multiprocessing.connection import Connection

from cryptable_protocol import limits

from cryptable_server.processes.messages import Message, UnreadableMessageError, facts_of, message_of

_MAX_FACTS_BYTES = 1 << 16


class Channel:
    """One end of a two-way channel over a socket's file descriptor."""

    def __init__(self, descriptor: int) -> None:
        self._connection = Connection(descriptor)

    def send(self, message: Message, block: bytes = b"") -> None:
        """Send one message; raises OSError where the other end is gone."""
        self._connection.send_bytes(json.dumps(facts_of(message)).encode())
        self._connection.send_bytes(block)

    def receive(self) -> tuple[Message, bytes]:
        """The next message; raises EOFError or OSError where the other end is gone or breaks the rules."""
        facts = self._connection.recv_bytes(_MAX_FACTS_BYTES)
        block = self._connection.recv_bytes(limits.MAX_MESSAGE_BYTES)
        try:
            return message_of(json.loads(facts)), block
        except (UnreadableMessageError, ValueError, RecursionError) as error:
            raise OSError(f"the other end of a channel sent {error}") from error

    def wait(self, seconds: float) -> bool:
        """Whether a message (or the end) arrives within `seconds`."""
        return self._connection.poll(seconds)

    def close(self) -> None:
        """Close this end."""
        self._connection.close()
