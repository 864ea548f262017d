"""WebCalls: an ASGI application that answers the unary calls of one service to pages of the origins that may call."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Container, Iterable, Mapping
from typing import Any

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from cryptable_server.calls.grpc_entry import (
    Entrance,
    Requests,
    admitted,
    answer_to_one,
    answering,
    deserializer,
    methods_of,
)
from cryptable_server.calls.web.exchange import Exchange, Receive, Scope
from cryptable_server.calls.web.statuses import HTTP_STATUSES, error_body
from cryptable_server.errors import ForbiddenError, TooLateError, UnknownMethodError
from cryptable_server.logs import log

Send = Callable[[dict[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

_LOGGER = logging.getLogger(__name__)
_MESSAGE, _JSON = "application/proto", "application/json"
ALLOWED_HEADERS = b"authorization, content-type, connect-protocol-version, connect-timeout-ms, x-request-id"
EXPOSED_HEADERS = b"trailer-grpc-retry-pushback-ms, trailer-x-request-id"
_PREFLIGHT_SECONDS = 7200
_ALWAYS = ((b"cache-control", b"no-store"), (b"vary", b"origin"), (b"x-content-type-options", b"nosniff"))
_MAX_SHOWN = 128


class WebCalls:
    """Every call passes the entrance that gRPC's do. Who sends no origin is no page, and is asked for nothing more."""

    def __init__(
        self,
        name: str,
        service: object,
        entrance: Entrance,
        *,
        audited: Container[str],
        origins: Iterable[str],
        most_bytes: int,
    ) -> None:
        """Answer unary calls.

        Args:
            name: of the service.
            service: what has the methods, as for `handlers`.
            entrance: what every call passes.
            audited: methods whose calls are written into the audit log, however they end.
            origins: of pages that may call, exactly.
            most_bytes: of one request.
        """
        self._service = service
        self._entrance = entrance
        self._audited = audited
        self._origins = frozenset(origins)
        self._most_bytes = most_bytes
        self._methods: Mapping[str, MethodDescriptor] = {
            f"/{name}/{method.name}": method
            for method in methods_of(name)
            if not method.client_streaming and not method.server_streaming
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})
        if scope["type"] != "http":
            return
        origins = [value.decode("latin-1") for key, value in scope["headers"] if key == b"origin"]
        origin = ", ".join(origins) if origins else None  # two together are none that may call
        headers: Headers = list(_ALWAYS)
        if origin in self._origins:
            allowed = str(origin).encode("latin-1")
            headers += [(b"access-control-allow-origin", allowed), (b"access-control-expose-headers", EXPOSED_HEADERS)]
        try:
            status, body, kind = await self._answer(scope, receive, origin, headers)
            await asyncio.wait_for(_respond(send, status, headers, body, kind), self._entrance.idle_seconds)
        except asyncio.TimeoutError:
            log(_LOGGER, logging.INFO, "an answer was not taken", seconds=self._entrance.idle_seconds)
        except asyncio.CancelledError:
            pass  # the caller is gone, and the call's own log line says so

    async def _answer(
        self, scope: Scope, receive: Receive, origin: str | None, headers: Headers
    ) -> tuple[int, bytes, str]:
        method = self._methods.get(scope["path"])
        if scope["method"] == "OPTIONS":
            return self._preflight(origin, headers)
        parse = deserializer(GetMessageClass(method.input_type)) if method is not None else bytes
        exchange = Exchange(scope, receive, parse, most_bytes=self._most_bytes)
        if (refused := _refused_by_http(scope["method"], exchange, known=method is not None)) is not None:
            status, code, message = refused
            if scope["http_version"].startswith("1"):
                headers.append((b"connection", b"close"))  # its body is not read
            return status, error_body(code, message), _JSON
        try:
            answer = await self._call(method, exchange, origin, scope["path"])
        finally:
            exchange.close()
        headers.extend((f"trailer-{key}".encode(), str(value).encode()) for key, value in exchange.trailers)
        if answer is None:
            return HTTP_STATUSES.get(exchange.status, 500), error_body(exchange.status, exchange.details), _JSON
        return 200, answer.SerializeToString(), _MESSAGE

    def _preflight(self, origin: str | None, headers: Headers) -> tuple[int, bytes, str]:
        if origin not in self._origins:
            return 403, error_body("PERMISSION_DENIED", "pages of this origin may not call"), _JSON
        headers.append((b"access-control-allow-methods", b"POST"))
        headers.append((b"access-control-allow-headers", ALLOWED_HEADERS))
        headers.append((b"access-control-max-age", str(_PREFLIGHT_SECONDS).encode()))
        return 204, b"", ""

    async def _call(
        self, method: MethodDescriptor | None, exchange: Exchange, origin: str | None, path: str
    ) -> Message | None:
        """The answer; None where there is none, and `exchange` has the status."""
        entrance = self._entrance
        requests: Requests[Message] = Requests(exchange.read, entrance)
        name, facts = ("refused", {"asked_for": path[:_MAX_SHOWN]}) if method is None else (method.name, {})
        answer = None
        with answering(name, exchange, entrance, audited=name in self._audited, **facts) as call:
            if origin is not None and origin not in self._origins:
                raise ForbiddenError("pages of this origin may not call: the server's operator names those that may")
            with admitted(call, exchange, entrance):
                if method is None:
                    raise UnknownMethodError("there is no such method over HTTP")
                behaviour = getattr(self._service, method.name)
                made = answer_to_one(behaviour, requests, method.input_type.name, call)
                try:
                    answer = await asyncio.wait_for(made, exchange.time_remaining())
                except asyncio.TimeoutError:
                    raise TooLateError("the caller's deadline passed before there was an answer") from None
        return answer


def _refused_by_http(method: str, exchange: Exchange, *, known: bool) -> tuple[int, str, str] | None:
    """Status, code and message of a request that is no call at all."""
    if method != "POST":
        return 405, "UNIMPLEMENTED", "calls are made by POST"
    if not known:
        return None  # strangers are not told which methods there are
    if (exchange.header("content-type") or "").partition(";")[0].strip().lower() != _MESSAGE:
        return 415, "INVALID_ARGUMENT", f"a message comes with content-type {_MESSAGE}"
    if (exchange.header("content-encoding") or "identity").lower() != "identity":
        return 415, "UNIMPLEMENTED", "messages come without content-encoding: ciphertexts cannot be compressed"
    return None


async def _respond(send: Send, status: int, headers: Headers, body: bytes, kind: str) -> None:
    if kind:
        headers = [*headers, (b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
