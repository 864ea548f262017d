"""WebListener: HTTP/1.1 and HTTP/2 for an ASGI application, by hypercorn; the one module that imports it."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from typing import Any

from hypercorn.asyncio import serve, tcp_server
from hypercorn.config import Config, Sockets
from hypercorn.events import Event, Updated
from hypercorn.protocol import ProtocolWrapper

from cryptable_server.calls.tls.certificates import Certificates
from cryptable_server.calls.web.application import WebCalls
from cryptable_server.errors import BindError
from cryptable_server.logs import log
from cryptable_server.settings.addresses import join_address
from cryptable_server.settings.config import ServerConfig

_LOGGER = logging.getLogger(__name__)
_PROTOCOLS = ["h2", "http/1.1"]
_BACKLOG = 128
_FLUSH_SECONDS = 1.0


class WebListener:
    """Listens from its making on, and answers while it serves."""

    def __init__(self, config: ServerConfig, address: tuple[str, int], certificates: Certificates | None) -> None:
        """Listen.

        Raises:
            BindError: the address cannot be listened on.
        """
        self._socket = _Bounded.listening(address, most=config.max_connections)
        self._config = config
        self._certificates = certificates

    @property
    def address(self) -> str:
        """Where, with the port that was free."""
        return join_address(*self._socket.getsockname()[:2])

    async def serve(self, application: WebCalls, until: asyncio.Event) -> None:
        """Answer until the event; what is still being answered then is ended."""
        settings = _Settings(self._socket, self._certificates)
        # A connection that sends nothing, or half a request's headers, or keeps still between two requests.
        settings.keep_alive_timeout = self._config.handshake_seconds
        settings.ssl_handshake_timeout = self._config.handshake_seconds
        log(_LOGGER, logging.INFO, "web ready", address=self.address, tls=self._certificates is not None)
        await serve(application, settings, shutdown_trigger=until.wait)  # type: ignore[arg-type]  # its ASGI types


class _Protocol(ProtocolWrapper):
    """Ends connections that are silent after the preface of HTTP/2, which hypercorn takes for a request."""

    async def handle(self, event: Event) -> None:
        """See ProtocolWrapper."""
        before = self.protocol
        await super().handle(event)
        if self.protocol is not before:
            await self.send(Updated(idle=not getattr(self.protocol, "streams", None)))


setattr(tcp_server, ProtocolWrapper.__name__, _Protocol)  # there is no other way to give it one


class _Settings(Config):
    """Of hypercorn: no logs, headers or signal handlers of its own."""

    errorlog = None
    accesslog = None
    include_server_header = False
    include_date_header = False
    graceful_timeout = _FLUSH_SECONDS
    backlog = _BACKLOG

    def __init__(self, listening: socket.socket, certificates: Certificates | None) -> None:
        super().__init__()
        self._listening = listening
        self._certificates = certificates

    @property
    def ssl_enabled(self) -> bool:
        """Whether there is a certificate."""
        return self._certificates is not None

    def create_sockets(self) -> Sockets:
        """The one that listens already."""
        sockets = [self._listening]
        return Sockets(sockets, [], []) if self.ssl_enabled else Sockets([], sockets, [])

    def create_ssl_context(self) -> ssl.SSLContext | None:
        """One that shows the certificate that was read last."""
        certificates = self._certificates
        if certificates is None:
            return None
        shown, context = certificates.version, _tls(certificates)

        def at_handshake(connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
            nonlocal shown, context
            if certificates.version != shown:
                try:
                    shown, context = certificates.version, _tls(certificates)
                except (OSError, ssl.SSLError):
                    return  # amid a renewal: the one before is shown until the files fit again
            connection.context = context

        first = _tls(certificates)
        first.sni_callback = at_handshake
        return first


def _tls(certificates: Certificates) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(_PROTOCOLS)
    context.load_cert_chain(certificates.files.certificate, certificates.files.private_key)
    return context


class _Bounded(socket.socket):
    """Listens, and closes connections beyond so many as they come: asyncio would take any number."""

    most: int
    open: set[socket.socket]

    @classmethod
    def listening(cls, address: tuple[str, int], *, most: int) -> _Bounded:
        host, port = address
        try:
            family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            listening = cls(family, kind, protocol)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(place)
            listening.listen(_BACKLOG)
        except OSError as error:
            raise BindError(
                f"--web-address {join_address(host, port)} cannot be listened on: {error.strerror or error}"
            ) from error
        listening.setblocking(False)
        listening.most, listening.open = most, set()
        return listening

    def accept(self) -> tuple[socket.socket, Any]:
        """See socket."""
        connection, peer = super().accept()
        self.open = {each for each in self.open if each.fileno() >= 0}
        if len(self.open) >= self.most:
            connection.close()
            raise BlockingIOError
        self.open.add(connection)
        return connection, peer
