"""The way to a server: gRPC channels, and gRPC's errors as the client's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeAlias, TypeVar

import grpc
from cryptable_protocol import limits

from cryptable_client.errors import (
    AuthenticationError,
    DataLossError,
    NotFoundError,
    OverloadedError,
    RequestRefusedError,
    ServerError,
    SpecChangedError,
    TimeoutExceededError,
    UnavailableError,
)
from cryptable_client.server.access import Access

_MAX_DETAILS = 300
_PUSHBACK = "grpc-retry-pushback-ms"
"""gRPC's own trailer: milliseconds until a retry can help; negative where it cannot."""
_LONGEST_PAUSE_SECONDS = 60.0

KEEPALIVE_SECONDS, KEEPALIVE_TIMEOUT_SECONDS = 310, 20
"""How often a connection is asked whether it lives while an answer is awaited on it, and how long it has to say so.

A gRPC server that is not told otherwise ends connections that ask more often than every five minutes; routers forget
silent ones after 350 s and more.
"""

Message = TypeVar("Message")
Answer = TypeVar("Answer")
Continuation: TypeAlias = Callable[[grpc.ClientCallDetails, Message], Answer]

_UNTRUSTED = "CERTIFICATE_VERIFY_FAILED"
"""What gRPC's TLS says where nothing that is trusted vouches for a certificate."""
_ERRORS: dict[grpc.StatusCode, tuple[type[ServerError], str]] = {
    grpc.StatusCode.UNAVAILABLE: (
        UnavailableError,
        "check the address and that the server runs and speaks TLS (or not) as you do, then try again",
    ),
    grpc.StatusCode.DEADLINE_EXCEEDED: (TimeoutExceededError, "try again, with a larger timeout=... if it is busy"),
    grpc.StatusCode.NOT_FOUND: (NotFoundError, "see what the server offers with `cryptable-client models`"),
    grpc.StatusCode.FAILED_PRECONDITION: (
        SpecChangedError,
        "the model was replaced since this connection was made: connect again",
    ),
    grpc.StatusCode.RESOURCE_EXHAUSTED: (OverloadedError, "wait, then try again, or send fewer rows at a time"),
    grpc.StatusCode.DATA_LOSS: (DataLossError, "connect again, which sends the evaluation keys again"),
    grpc.StatusCode.UNAUTHENTICATED: (AuthenticationError, "the server wants credentials that you did not give"),
    grpc.StatusCode.PERMISSION_DENIED: (AuthenticationError, "ask the server's operator for access"),
    grpc.StatusCode.INVALID_ARGUMENT: (RequestRefusedError, "check that client and server have matching versions"),
    grpc.StatusCode.UNIMPLEMENTED: (RequestRefusedError, "this is not a Cryptable server, or one of another version"),
}


def open_channel(access: Access) -> grpc.Channel:
    """A channel to a server. Nothing is sent yet.

    Raises:
        InvalidInputError: a file of certificates or keys cannot be read, or is none.
    """
    options: list[tuple[str, int]] = [
        ("grpc.max_receive_message_length", limits.MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", limits.MAX_MESSAGE_BYTES),
        ("grpc.service_config_disable_resolution", 1),
        ("grpc.keepalive_time_ms", 1000 * KEEPALIVE_SECONDS),
        ("grpc.keepalive_timeout_ms", 1000 * KEEPALIVE_TIMEOUT_SECONDS),
        ("grpc.http2.ping_timeout_ms", 1000 * KEEPALIVE_TIMEOUT_SECONDS),
        ("grpc.http2.max_pings_without_data", 0),
    ]
    if access.insecure:
        options.append(("grpc.enable_http_proxy", 0))  # a proxy would be another machine
        channel = grpc.insecure_channel(access.address, options)
    else:
        key, certificate = access.read_client_pair() or (None, None)
        credentials = grpc.ssl_channel_credentials(access.read_root_certificates(), key, certificate)
        channel = grpc.secure_channel(access.address, credentials, options)
    return channel if access.token is None else grpc.intercept_channel(channel, _BearerToken(access.token))


class _CallDetails(grpc.ClientCallDetails):
    """Those of a call, with one more entry of metadata."""

    def __init__(self, details: grpc.ClientCallDetails, entry: tuple[str, str]) -> None:
        for name in ("method", "timeout", "credentials", "wait_for_ready", "compression"):
            setattr(self, name, getattr(details, name, None))
        self.metadata = (*(details.metadata or ()), entry)


class _BearerToken(
    grpc.UnaryUnaryClientInterceptor, grpc.StreamUnaryClientInterceptor, grpc.StreamStreamClientInterceptor
):
    """Shows a token with every call: over TLS, or to this very machine, as Access makes sure."""

    def __init__(self, token: str) -> None:
        self._entry = ("authorization", f"Bearer {token}")

    def intercept_unary_unary(
        self, continuation: Continuation[Message, Answer], client_call_details: grpc.ClientCallDetails, request: Message
    ) -> Answer:
        """One request, one answer; the other two kinds of calls differ in nothing here."""
        return continuation(_CallDetails(client_call_details, self._entry), request)

    intercept_stream_unary = intercept_unary_unary  # type: ignore[assignment]  # the stubs name iterators
    intercept_stream_stream = intercept_unary_unary  # type: ignore[assignment]


@contextmanager
def typed_errors(doing: str) -> Iterator[None]:
    """Raise what gRPC raises inside as the client's own exceptions; `doing` says what was tried."""
    try:
        yield
    except grpc.RpcError as error:
        # What gRPC raises is both an RpcError and a Call, which its type stubs do not say.
        code: grpc.StatusCode = getattr(error, "code", lambda: grpc.StatusCode.UNKNOWN)()
        details = getattr(error, "details", lambda: None)() or "no reason given"
        error_type, advice = _ERRORS.get(code, (ServerError, "the server failed: tell its operator"))
        if _UNTRUSTED in details:
            advice = (
                "the server's certificate is none that this machine trusts: give its own, or that of who made it, a "
                "PEM file, in root_certificates=... (--root-certificates)"
            )
        message = f"{doing}: {_printable(details)} ({code.name}); {advice}"
        raise error_type(message, code=code.name, retry_after=_retry_after(error)) from error


class Outgoing(Generic[Message]):
    """A stream of requests for gRPC, whose reading thread swallows exceptions: leaving the `with` block raises them."""

    def __init__(self, requests: Iterator[Message]) -> None:
        self._requests = requests
        self._failure: BaseException | None = None

    def __iter__(self) -> Iterator[Message]:
        return self

    def __next__(self) -> Message:
        try:
            return next(self._requests)
        except StopIteration:
            raise
        except BaseException as failure:
            self._failure = failure
            raise StopIteration from failure

    def __enter__(self) -> Outgoing[Message]:
        return self

    def __exit__(self, *_: object) -> None:
        if self._failure is not None:
            raise self._failure


def _retry_after(error: grpc.RpcError) -> float | None:
    for name, value in getattr(error, "trailing_metadata", lambda: None)() or ():
        if name == _PUSHBACK and str(value).isascii() and str(value).isdigit():
            return min(int(value) / 1000, _LONGEST_PAUSE_SECONDS)
    return None


def _printable(text: str) -> str:
    # The server wrote it: nothing in it may steer a terminal or flood a log.
    cut = text if len(text) <= _MAX_DETAILS else text[:_MAX_DETAILS] + "…"
    return "".join(character if character.isprintable() else " " for character in cut)
