"""Bearer tokens: random, shown once, kept as SHA-256 digests in a file that servers read again when it changes.

A token has 256 random bits, so its digest cannot be searched for, and a slow hash would add nothing.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import logging
import os
import secrets
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptable_protocol.files.whole import whole_file

from cryptable_server.errors import ConfigurationError
from cryptable_server.files.regular_files import FileState, file_state, read_regular
from cryptable_server.logs import log
from cryptable_server.principals import Principal, Role

_LOGGER = logging.getLogger(__name__)
_VERSION = 1
_PREFIX = "cryptable"
_SECRET_BYTES = 32
_IDENTITY_BYTES = 4
_MAX_NAME = 128
_MAX_FILE_BYTES = 64 << 20


@dataclass(frozen=True)
class Token:
    """What the file holds of a token: never the token itself."""

    identity: str
    """Names it to people; part of the token, not secret."""
    principal: str
    roles: frozenset[Role]
    sha256: str
    created: str


class TokenFile:
    """The tokens of a server. Safe to use from several threads, and with several processes that change the file."""

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises:
            ConfigurationError: it is not there, malformed, or others may write to it.
        """
        self._path = path
        self._mutex = threading.Lock()
        self._tokens, self._state = _read(path)
        self._reason: str | None = None
        """Why the file could not be read when it was tried last."""

    def find(self, token: str) -> Principal | None:
        """The principal of a token, or None. Takes as long for a token that is nearly right as for any other."""
        self._refresh()
        digest = hashlib.sha256(token.encode()).hexdigest()
        found = None
        for entry in self._tokens:
            if hmac.compare_digest(entry.sha256, digest):
                found = entry
        return None if found is None else Principal(f"token:{found.principal}", found.roles)

    def _refresh(self) -> None:
        with self._mutex:
            try:
                # What could not be read is tried again each time, whether the file has changed or not: a full table
                # of open files, say, leaves no trace in it.
                if self._reason is None and file_state(self._path) == self._state:
                    return
                self._tokens, self._state = _read(self._path)
            except (OSError, ConfigurationError) as error:
                # What cannot be read revokes nothing if it is ignored: nobody is let in until it is mended.
                self._tokens = ()
                if self._reason != (reason := str(error)):
                    log(_LOGGER, logging.ERROR, "tokens cannot be read", reason=reason)
                self._reason = reason
            else:
                self._reason = None
                log(_LOGGER, logging.INFO, "tokens read", count=len(self._tokens))


def read_tokens(path: Path) -> tuple[Token, ...]:
    """All tokens of a file; raises ConfigurationError where it cannot be trusted or read."""
    return _read(path)[0]


def _read(path: Path) -> tuple[tuple[Token, ...], FileState]:
    try:
        content, state = read_regular(path, most=_MAX_FILE_BYTES)
    except OSError as error:
        raise ConfigurationError(f"token file {path}: {error.strerror or error}") from error
    if state.mode & 0o022:
        raise ConfigurationError(f"token file {path}: others may write to it, and so let anyone in (chmod 600)")
    try:
        entries = json.loads(content)
    except ValueError as error:
        raise ConfigurationError(f"token file {path} is not JSON: {error}") from error
    try:
        if entries["version"] != _VERSION:
            raise ConfigurationError(f"token file {path} has version {entries['version']!r}, expected {_VERSION}")
        return tuple(_token(entry) for entry in entries["tokens"]), state
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigurationError(
            f"token file {path} is malformed ({type(error).__name__}: {error}); make it with cryptable-server tokens"
        ) from error


def new_token(path: Path, principal: str, roles: Iterable[Role]) -> tuple[Token, str]:
    """Make a token and add it to the file, which is made if there is none: what was added, and the token to hand over.

    Raises:
        ConfigurationError: the file cannot be read or written, or the principal's name cannot be one.
    """
    if not 1 <= len(principal) <= _MAX_NAME or not principal.isprintable():
        raise ConfigurationError(f"a principal's name has 1 to {_MAX_NAME} printable characters, got {principal!r}")
    identity = secrets.token_hex(_IDENTITY_BYTES)
    secret = f"{_PREFIX}_{identity}_{secrets.token_urlsafe(_SECRET_BYTES)}"
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    token = Token(identity, principal, frozenset(roles), hashlib.sha256(secret.encode()).hexdigest(), created)
    with _changing(path):
        _write(path, (*(read_tokens(path) if path.exists() else ()), token))
    return token, secret


def revoke_token(path: Path, identity: str) -> Token:
    """Remove the token of that identity from the file; raises ConfigurationError where there is none."""
    with _changing(path):
        tokens = read_tokens(path)
        found = next((token for token in tokens if token.identity == identity), None)
        if found is None:
            known = ", ".join(token.identity for token in tokens) or "none"
            raise ConfigurationError(f"token file {path} has no token {identity!r}; it has: {known}")
        _write(path, tuple(token for token in tokens if token.identity != identity))
    return found


def _token(entry: dict[str, object]) -> Token:
    roles, digest = entry["roles"], str(entry["sha256"])
    if not isinstance(roles, list) or len(bytes.fromhex(digest)) != hashlib.sha256().digest_size:
        raise ValueError("roles are a list, and a SHA-256 has 32 bytes")
    return Token(
        identity=str(entry["id"]),
        principal=str(entry["principal"]),
        roles=frozenset(Role(role) for role in roles),
        sha256=digest.lower(),
        created=str(entry["created"]),
    )


def _write(path: Path, tokens: Iterable[Token]) -> None:
    entries = [
        {
            "id": token.identity,
            "principal": token.principal,
            "roles": sorted(role.value for role in token.roles),
            "sha256": token.sha256,
            "created": token.created,
        }
        for token in tokens
    ]
    with whole_file(path) as file:
        file.write(json.dumps({"version": _VERSION, "tokens": entries}, indent=1).encode())


@contextmanager
def _changing(path: Path) -> Iterator[None]:
    """Keep other processes from changing the file meanwhile."""
    try:
        lock = os.open(path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)
    except OSError as error:
        raise ConfigurationError(f"token file {path}: {error.strerror or error}") from error
