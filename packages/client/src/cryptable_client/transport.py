"""The way to a server: gRPC channels, and gRPC's errors as the client's own."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Generic, TypeVar

import grpc
from cryptable_protocol import limits
from cryptable_protocol.errors import InvalidInputError

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

_ADDRESS = re.compile(r"(?P<host>[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]):(?P<port>[0-9]{1,5})")
_PEM = b"-----BEGIN CERTIFICATE-----"
_MAX_DETAILS = 300
_PUSHBACK = "grpc-retry-pushback-ms"
"""gRPC's own trailer: milliseconds until a retry can help; negative where it cannot."""
_LONGEST_PAUSE_SECONDS = 60.0

Message = TypeVar("Message")

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


def open_channel(
    address: str, *, root_certificates: str | os.PathLike[str] | bytes | None, insecure: bool
) -> grpc.Channel:
    """A channel to "host:port".

    Args:
        address: as "host:port" or "[IPv6]:port".
        root_certificates: PEM, or the path of a PEM file, that the server's certificate must descend from; without,
            the public authorities.
        insecure: no TLS; only for an address of this very machine.

    Raises:
        InvalidInputError: a malformed address, certificates that are none, or insecure to another machine.
    """
    match = _ADDRESS.fullmatch(address)
    if match is None or not 0 < int(match["port"]) < 1 << 16:
        raise InvalidInputError(f"address {address!r} is not of the form host:port")
    options: list[tuple[str, int]] = [
        ("grpc.max_receive_message_length", limits.MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", limits.MAX_MESSAGE_BYTES),
        ("grpc.service_config_disable_resolution", 1),
    ]
    if not insecure:
        credentials = grpc.ssl_channel_credentials(_read_certificates(root_certificates))
        return grpc.secure_channel(address, credentials, options)
    if root_certificates is not None:
        raise InvalidInputError("insecure=True means no TLS, so root_certificates have no use: pass one of them")
    if not is_loopback(match["host"].strip("[]")):
        raise InvalidInputError(
            f"insecure=True is for a server on this machine, and {address!r} is another: use TLS, with "
            "root_certificates=... where its certificate is self-signed"
        )
    options.append(("grpc.enable_http_proxy", 0))  # a proxy would be another machine
    return grpc.insecure_channel(address, options)


def is_loopback(host: str) -> bool:
    """Whether a host, by its name or number alone, is this machine."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _read_certificates(source: str | os.PathLike[str] | bytes | None) -> bytes | None:
    if source is None:
        return None
    if isinstance(source, bytes):
        certificates, what = source, "root_certificates"
    else:
        what = str(Path(source))
        try:
            certificates = Path(source).read_bytes()
        except OSError as error:
            raise InvalidInputError(f"root certificates cannot be read: {error}") from error
    if _PEM not in certificates:
        raise InvalidInputError(f"{what} has no certificate in PEM form ({_PEM.decode()} …)")
    return certificates


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
