"""RemoteServer: a running server as its operator's commands reach it, and what comes of a call as an exit status."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
from cryptable_protocol.service import AdminStub
from grpc_health.v1 import health, health_pb2

from cryptable_server.calls.tls.credentials import own_certificate
from cryptable_server.errors import ConfigurationError, RemoteError
from cryptable_server.settings.addresses import is_loopback, join_address, split_address
from cryptable_server.settings.declaration import ENVIRONMENT_PREFIX
from cryptable_server.settings.sources import FILE_VARIABLE, load

TOKEN_VARIABLE = "CRYPTABLE_TOKEN"  # noqa: S105 - the name of a variable
ADDRESS_VARIABLE = f"{ENVIRONMENT_PREFIX}ADDRESS"
_DEFAULT_ADDRESS = "127.0.0.1:50051"
_LOCAL = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - it is not listened on
"""Where a server that listens on every address is reached from this machine."""
_UNREACHABLE, _FORBIDDEN, _REFUSED = 5, 6, 7
_EXIT_STATUSES = {
    grpc.StatusCode.UNAVAILABLE: _UNREACHABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED: _UNREACHABLE,
    grpc.StatusCode.UNAUTHENTICATED: _FORBIDDEN,
    grpc.StatusCode.PERMISSION_DENIED: _FORBIDDEN,
}

EXIT_STATUSES = """\
exit status:
  0  done
  1  an error of the command itself; please report it
  2  options that cannot be used
  5  the server cannot be reached, or did not answer in time
  6  the server does not know the caller, or as no administrator
  7  the server refused: there is no such model, or no such keys
  8  (health) it does not serve"""


@dataclass(frozen=True)
class RemoteServer:
    """A server, and what calls show it."""

    admin: AdminStub
    check_health: grpc.UnaryUnaryMultiCallable[health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse]
    metadata: tuple[tuple[str, str], ...]
    seconds: float


@dataclass(frozen=True)
class _Target:
    address: str
    insecure: bool
    root: Path | None
    options: tuple[tuple[str, str], ...] = ()


def add_connection(parser: argparse.ArgumentParser) -> None:
    """Add the options by which a server is reached."""
    group = parser.add_argument_group("how the server is reached")
    group.add_argument("--address", metavar="HOST:PORT", help=f"default: {ADDRESS_VARIABLE}, else {_DEFAULT_ADDRESS}")
    group.add_argument("--insecure", action="store_true", help="without TLS; loopback addresses only")
    group.add_argument("--root-certificates", type=Path, metavar="FILE", help="PEM; default: those of gRPC")
    group.add_argument("--certificate", type=Path, metavar="FILE", help="of the caller, PEM, where the server asks")
    group.add_argument("--key", type=Path, metavar="FILE", help="its private key, PEM")
    group.add_argument(
        "--token-file", type=Path, metavar="FILE", help=f"with a token of the role admin; default: {TOKEN_VARIABLE}"
    )
    group.add_argument(
        "--own",
        action="store_true",
        help=f"the server of this machine that {ENVIRONMENT_PREFIX}* variables, or the file in {FILE_VARIABLE}, "
        "tell how to reach; in place of the first three",
    )
    group.add_argument("--timeout", type=float, default=20.0, metavar="SECONDS", help="default: %(default)g")


@contextmanager
def reached(options: argparse.Namespace) -> Iterator[RemoteServer]:
    """The server that the options of `add_connection` tell, while the block lasts.

    Raises:
        ConfigurationError: an option that cannot be used.
        RemoteError: a call in the block was refused, or not answered.
    """
    target = _own() if options.own else _told(options)
    if options.timeout <= 0:
        raise ConfigurationError("--timeout must be more than 0")
    token = os.environ.get(TOKEN_VARIABLE) if options.token_file is None else _read(options.token_file).decode().strip()
    metadata = (("authorization", f"Bearer {token}"),) if token else ()
    made = (
        grpc.insecure_channel(target.address)
        if target.insecure
        else grpc.secure_channel(target.address, _credentials(options, target.root), target.options)
    )
    with made as channel:
        try:
            yield RemoteServer(AdminStub(channel), _health_check(channel), metadata, options.timeout)
        except grpc.RpcError as error:
            status = error.code()
            message = f"{target.address}: {status.name}: {error.details()}"
            raise RemoteError(message, _EXIT_STATUSES.get(status, _REFUSED)) from error


def _health_check(
    channel: grpc.Channel,
) -> grpc.UnaryUnaryMultiCallable[health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse]:
    return channel.unary_unary(
        f"/{health.SERVICE_NAME}/Check",
        request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
        response_deserializer=health_pb2.HealthCheckResponse.FromString,
    )


def _told(options: argparse.Namespace) -> _Target:
    address = options.address or os.environ.get(ADDRESS_VARIABLE) or _DEFAULT_ADDRESS
    try:
        host, _ = split_address(address)
    except ValueError as error:
        raise ConfigurationError(f"--address {address} {error}") from error
    if options.insecure and not is_loopback(host):
        raise ConfigurationError(f"--insecure is for loopback addresses only, and {host} is none: a token would show")
    return _Target(address, options.insecure, options.root_certificates)


def _own() -> _Target:
    config = load({}, os.environ).config
    host, port = config.listen
    if not port:
        raise ConfigurationError("--own: the settings leave the port open (0); give --address")
    address = join_address(_LOCAL.get(host, host), port)
    certificate = own_certificate(config)
    if certificate is None:
        return _Target(address, True, None)
    root, name = certificate
    # Which of its names the server is reached by from outside does not matter here: it is its own certificate.
    return _Target(address, False, root, (("grpc.ssl_target_name_override", name),))


def _credentials(options: argparse.Namespace, root: Path | None) -> grpc.ChannelCredentials:
    if (options.certificate is None) != (options.key is None):
        raise ConfigurationError("--certificate and --key go together")
    trusted, key, chain = (None if path is None else _read(path) for path in (root, options.key, options.certificate))
    return grpc.ssl_channel_credentials(trusted, key, chain)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror or error}") from error
