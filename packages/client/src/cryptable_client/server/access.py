"""Access: how a server is reached, how long it may take, and what the caller shows it: a certificate, a token."""

from __future__ import annotations

import ipaddress
import math
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from cryptable_protocol.errors import InvalidInputError

PemSource: TypeAlias = "str | os.PathLike[str] | bytes"
DEFAULT_TIMEOUT = 120.0
TOKEN_VARIABLE = "CRYPTABLE_TOKEN"  # noqa: S105 (a variable's name)

_ADDRESS = re.compile(r"(?P<host>[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]):(?P<port>[0-9]{1,5})")
_TOKEN = re.compile(r"[\x21-\x7e]{1,8192}")
_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"
_PRIVATE_KEY = re.compile(rb"-----BEGIN (?:RSA |EC )?PRIVATE KEY-----")


@dataclass(frozen=True)
class Access:
    """How a server is reached. Construction checks that the parts fit together; no file is read yet.

    Attributes:
        address: "host:port" or "[IPv6]:port".
        root_certificates: PEM, or the path of a PEM file, that the server's certificate must descend from; without, the
            public authorities.
        insecure: no TLS; only for an address of this very machine.
        client_certificate: PEM, or a path: the caller's own certificate, for servers that ask for one (mutual TLS).
        client_key: PEM, or a path: its private key, unencrypted.
        token: bearer token; by default that of the environment variable CRYPTABLE_TOKEN, if set.
        timeout: seconds to wait for each answer: of a call, or of a row under evaluation.

    Raises:
        InvalidInputError: a malformed address, token or timeout, parts that exclude each other, or insecure to another
            machine.
    """

    address: str
    root_certificates: PemSource | None = None
    insecure: bool = False
    client_certificate: PemSource | None = None
    client_key: PemSource | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    timeout: float = DEFAULT_TIMEOUT

    def __post_init__(self) -> None:
        match = _ADDRESS.fullmatch(self.address)
        if match is None or not 0 < int(match["port"]) < 1 << 16:
            raise InvalidInputError(f"address {self.address!r} is not of the form host:port")
        if not 0 < self.timeout < math.inf:
            raise InvalidInputError(f"timeout must be a positive number of seconds, got {self.timeout}")
        if (self.client_certificate is None) != (self.client_key is None):
            raise InvalidInputError("client_certificate=... and client_key=... go together: pass both or none")
        if self.insecure:
            for name in ("root_certificates", "client_certificate"):
                if getattr(self, name) is not None:
                    raise InvalidInputError(f"insecure=True means no TLS, so {name} have no use: pass one of them")
            if not self.is_loopback:
                raise InvalidInputError(
                    f"insecure=True is for a server on this machine, and {self.address!r} is another: use TLS, with "
                    "root_certificates=... where its certificate is self-signed"
                )
        if self.token is None:
            object.__setattr__(self, "token", os.environ.get(TOKEN_VARIABLE) or None)
        if self.token is not None and not _TOKEN.fullmatch(self.token):
            raise InvalidInputError(
                "the token has spaces, line breaks or other characters than printable ASCII, or is too long: pass it "
                f"as the server's operator gave it, in token=... or {TOKEN_VARIABLE}"
            )

    @property
    def is_loopback(self) -> bool:
        """Whether the server is this very machine."""
        return is_loopback(self.address.rpartition(":")[0].strip("[]"))

    def read_root_certificates(self) -> bytes | None:
        """Their PEM; None: the public authorities."""
        return _read(self.root_certificates, "root_certificates", _is_certificate, "certificate")

    def read_client_pair(self) -> tuple[bytes, bytes] | None:
        """PEM of the client's private key and certificate, where it shows any."""
        certificate = _read(self.client_certificate, "client_certificate", _is_certificate, "certificate")
        key = _read(self.client_key, "client_key", _is_private_key, "unencrypted private key")
        return None if certificate is None or key is None else (key, certificate)


def is_loopback(host: str) -> bool:
    """Whether a host, by its name or number alone, is this machine."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_certificate(pem: bytes) -> bool:
    return _CERTIFICATE in pem


def _is_private_key(pem: bytes) -> bool:
    return _PRIVATE_KEY.search(pem) is not None and b"ENCRYPTED" not in pem


def _read(source: PemSource | None, name: str, is_right: Callable[[bytes], bool], kind: str) -> bytes | None:
    if source is None:
        return None
    if isinstance(source, bytes):
        pem, what = source, name
    else:
        what = str(Path(source))
        try:
            pem = Path(source).read_bytes()
        except OSError as error:
            raise InvalidInputError(f"{name}=... cannot be read: {error}") from error
    if not is_right(pem):
        raise InvalidInputError(f"{name}=...: {what} has no {kind} in PEM form (-----BEGIN …)")
    return pem
