"""The page that Prometheus reads: GET /metrics over HTTP, by a few threads, and never waiting for a slow reader."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from socketserver import TCPServer, ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry, make_wsgi_app

from cryptable_server.errors import BindError
from cryptable_server.settings.addresses import join_address

READERS = 8
"""Requests answered at a time; who comes then is not answered: a scraper comes again."""
PATIENCE_SECONDS = 10.0
"""For a request to arrive, and for its answer to be taken, as a whole."""


class _Handler(WSGIRequestHandler):
    timeout = PATIENCE_SECONDS

    def setup(self) -> None:
        super().setup()
        # A socket's timeout is for each byte: whoever sends one a second would hold the thread for ever.
        self._clock = threading.Timer(PATIENCE_SECONDS, self._end)
        self._clock.daemon = True
        self._clock.start()

    def finish(self) -> None:
        self._clock.cancel()
        super().finish()

    def _end(self) -> None:
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # closed meanwhile

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 (its name there)
        """Nothing: each scrape would be a line."""


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = READERS

    def __init__(self, host: str, port: int) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._room = threading.BoundedSemaphore(READERS)
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        """Without asking a name server what this machine is called."""
        TCPServer.server_bind(self)
        host, port = self.server_address[:2]
        self.server_name, self.server_port = str(host), int(port)
        self.setup_environ()

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 (socketserver's)
        """In a thread, where there is one left."""
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        """Its thread."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        """A reader that went away is nobody's error."""


@contextmanager
def metrics_page(registry: CollectorRegistry, host: str, port: int) -> Iterator[str]:
    """Answer while the block lasts; the address, with the port that was taken.

    Raises:
        BindError: the address cannot be listened on.
    """
    try:
        server = _Server(host, port)
    except OSError as error:
        raise BindError(
            f"--metrics {join_address(host, port)} cannot be listened on: {error.strerror or error}"
        ) from error
    server.set_app(make_wsgi_app(registry))
    thread = threading.Thread(target=server.serve_forever, name="cryptable-metrics", daemon=True)
    thread.start()
    try:
        yield join_address(host, server.server_port)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
