"""A static site as it should be served beside encrypted models: nothing from elsewhere, one server to connect to."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar


def headers_for(server: str) -> dict[str, str]:
    """Of every answer; `server` is the origin of the model."""
    policy = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "data:",
        "connect-src": server,
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
        "Cache-Control": "no-cache",
    }


class _Handler(http.server.SimpleHTTPRequestHandler):
    headers_sent: ClassVar[dict[str, str]]

    def end_headers(self) -> None:
        for name, value in self.headers_sent.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, *_: object) -> None:
        """Whoever looks at the page is nobody's business."""


def reserved(port: int = 0) -> http.server.ThreadingHTTPServer:
    """A server that listens on localhost, and answers once it is given to `serving`: its origin is known before."""
    return http.server.ThreadingHTTPServer(("127.0.0.1", port), _Handler)


@contextmanager
def serving(site: http.server.ThreadingHTTPServer, folder: Path, *, server: str) -> Iterator[None]:
    """Serve the files of `folder`, whose pages connect to `server`."""
    handler = type("Handler", (_Handler,), {"headers_sent": headers_for(server)})
    site.RequestHandlerClass = functools.partial(handler, directory=str(folder))  # type: ignore[assignment]
    threading.Thread(target=site.serve_forever, daemon=True).start()
    try:
        yield
    finally:
        site.shutdown()
        site.server_close()


def origin_of(site: http.server.ThreadingHTTPServer) -> str:
    """As pages of it have it."""
    return f"http://localhost:{site.server_port}"
