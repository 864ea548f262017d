"""Exchange: one HTTP request and its response, as what `grpc_entry` knows a call by."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

import grpc
import grpc.aio

from cryptable_server.errors import RequestTooLargeError, UnreadableHeaderError

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
_TIMEOUT = "connect-timeout-ms"
_MOST_TIMEOUT_DIGITS = 10


class Exchange:
    """Stands for a gRPC context: metadata are the headers, and the one message is the body."""

    def __init__(self, scope: Scope, receive: Receive, parse: Callable[[bytes], Any], *, most_bytes: int) -> None:
        """Nothing is read yet; what runs now is cancelled when the caller goes."""
        self._receive = receive
        self._parse = parse
        self._most_bytes = most_bytes
        self._metadata = tuple((key.decode("latin-1"), value.decode("latin-1")) for key, value in scope["headers"])
        self._peer = _peer(scope.get("client"))
        self._task = asyncio.current_task()
        self._watch: asyncio.Future[None] | None = None
        self._was_read = False
        self._begun = asyncio.get_running_loop().time()
        self.status = "OK"
        self.details = ""
        self.trailers: tuple[tuple[str, str], ...] = ()

    async def read(self) -> object:
        """The message, or EOF after it; RequestTooLargeError where it has more bytes than any may have."""
        if self._was_read:
            return grpc.aio.EOF
        self._was_read = True
        body = bytearray()
        while True:
            part = await self._receive()
            if part["type"] == "http.disconnect":
                await self._gone()
            body += part.get("body", b"")
            if len(body) > self._most_bytes:
                raise RequestTooLargeError(f"a request of more than {self._most_bytes} bytes")
            if not part.get("more_body", False):
                self._watch = asyncio.ensure_future(self._until_gone())
                return self._parse(bytes(body))

    def close(self) -> None:
        """Watch no more whether the caller goes."""
        if self._watch is not None:
            self._watch.cancel()

    def header(self, name: str) -> str | None:
        """Its value; of several headers of that name, the first."""
        return next((value for key, value in self._metadata if key == name), None)

    def invocation_metadata(self) -> Iterable[tuple[str, str]]:
        """See grpc.aio."""
        return self._metadata

    def auth_context(self) -> dict[str, Iterable[bytes]]:
        """See grpc.aio: browsers are not asked for certificates."""
        return {}

    def peer(self) -> str:
        """See grpc.aio."""
        return self._peer

    def time_remaining(self) -> float | None:
        """Seconds until the caller stops waiting; UnreadableHeaderError where it says so in another form."""
        told = self.header(_TIMEOUT)
        if told is None:
            return None
        if not (told.isascii() and told.isdigit() and len(told) <= _MOST_TIMEOUT_DIGITS):
            raise UnreadableHeaderError(f"{_TIMEOUT} is no number of milliseconds")
        return int(told) / 1000 - (asyncio.get_running_loop().time() - self._begun)

    def set_code(self, code: grpc.StatusCode) -> None:
        """See grpc.aio."""
        self.status = code.name

    def set_details(self, details: str) -> None:
        """See grpc.aio."""
        self.details = details

    def set_trailing_metadata(self, trailers: tuple[tuple[str, str], ...]) -> None:
        """See grpc.aio."""
        self.trailers = trailers

    async def _until_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        if self._task is not None:
            self._task.cancel()

    async def _gone(self) -> None:
        if self._task is not None:
            self._task.cancel()
        await asyncio.Event().wait()


def _peer(client: tuple[str, int] | None) -> str:
    """As gRPC writes it."""
    if client is None:
        return "unknown"
    host, port = client[:2]
    return f"ipv6:[{host}]:{port}" if ":" in host else f"ipv4:{host}:{port}"
