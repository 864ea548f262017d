"""Signed tokens (JWT): short-lived, made by an identity provider whose public keys the operator configures.

Tokens name their subject, who is the principal. Nobody is asked: the set of keys (JWKS) is a file, read again when it
changes, which whoever rotates the provider's keys writes anew.
"""

from __future__ import annotations

import json
import logging
import threading
import unicodedata
from pathlib import Path
from typing import Any

import jwt

from cryptable_server.errors import ConfigurationError
from cryptable_server.files.regular_files import FileState, file_state, read_regular
from cryptable_server.logs import log
from cryptable_server.principals import Principal

_LOGGER = logging.getLogger(__name__)
_ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"})
"""Of public keys. A shared secret would be no public key, and "none" is no signature."""
_REQUIRED = ["exp", "iss", "aud", "sub"]
_LEEWAY_SECONDS = 30.0
"""Clocks differ."""
_MAX_FILE_BYTES = 1 << 20
_MAX_KEYS = 64
_MAX_TOKEN = 8192
_MAX_SUBJECT = 256


class SignedTokens:
    """Tells whose a token is, by its signature. Safe to use from several threads."""

    def __init__(self, path: Path, *, issuer: str, audience: str) -> None:
        """Read the keys.

        Args:
            path: of the set of public keys, a JSON object with `keys` (RFC 7517).
            issuer: that tokens must name.
            audience: that tokens must be for: this server.

        Raises:
            ConfigurationError: the file is not there, holds no such keys, or others may write to it.
        """
        self._path = path
        self._issuer = issuer
        self._audience = audience
        self._mutex = threading.Lock()
        self._keys, self._state = _read(path)
        self._reason: str | None = None

    def find(self, token: str) -> Principal | None:
        """The principal of a token that is signed, for us, and has not expired; or None."""
        if token.count(".") != 2 or len(token) > _MAX_TOKEN:
            return None
        self._refresh()
        try:
            header = jwt.get_unverified_header(token)
            key = self._keys.get(header.get("kid")) if "kid" in header else _only(self._keys)
            if key is None or header.get("alg") != key.algorithm_name:
                return None
            claims = jwt.decode(
                token,
                key=key,
                algorithms=[key.algorithm_name],
                issuer=self._issuer,
                audience=self._audience,
                leeway=_LEEWAY_SECONDS,
                options={"require": _REQUIRED},
            )
        except (jwt.PyJWTError, ValueError, TypeError):
            return None
        subject = claims["sub"]
        if not isinstance(subject, str) or not 1 <= len(subject) <= _MAX_SUBJECT or not _is_printable(subject):
            return None
        return Principal(f"jwt:{subject}")

    def _refresh(self) -> None:
        with self._mutex:
            try:
                if self._reason is None and file_state(self._path) == self._state:
                    return
                self._keys, self._state = _read(self._path)
            except (OSError, ConfigurationError) as error:
                # A key that cannot be read withdraws nothing if it is ignored: nobody is let in until it is mended.
                self._keys = {}
                if self._reason != (reason := str(error)):
                    log(_LOGGER, logging.ERROR, "keys of signed tokens cannot be read", reason=reason)
                self._reason = reason
            else:
                self._reason = None
                log(_LOGGER, logging.INFO, "keys of signed tokens read", count=len(self._keys))


def _read(path: Path) -> tuple[dict[object, jwt.PyJWK], FileState]:
    """Keys by their ids, None for one without."""
    what = f"--jwt-keys {path}"
    try:
        content, state = read_regular(path, most=_MAX_FILE_BYTES)
    except OSError as error:
        raise ConfigurationError(f"{what}: {error.strerror or error}") from error
    if state.mode & 0o022:
        raise ConfigurationError(f"{what}: others may write to it, and so let anyone in (chmod 644)")
    try:
        entries = json.loads(content)["keys"]
        if not isinstance(entries, list) or not 1 <= len(entries) <= _MAX_KEYS:
            raise ValueError(f"expected 1 .. {_MAX_KEYS} keys")
        return {entry.get("kid"): _key(entry) for entry in entries}, state
    except (KeyError, TypeError, ValueError, AttributeError, jwt.PyJWTError) as error:
        raise ConfigurationError(f"{what} is no set of public keys (JWKS): {error}") from error


def _key(entry: dict[str, Any]) -> jwt.PyJWK:
    if "d" in entry or entry.get("kty") == "oct":
        raise ValueError("a private key or a shared secret, where only public keys belong")
    key = jwt.PyJWK.from_dict(entry)
    if key.algorithm_name not in _ALGORITHMS:
        raise ValueError(f"a key of algorithm {key.algorithm_name}, expected one of {', '.join(sorted(_ALGORITHMS))}")
    return key


def _only(keys: dict[object, jwt.PyJWK]) -> jwt.PyJWK | None:
    """The key of tokens that name none: clear only where there is one."""
    return next(iter(keys.values())) if len(keys) == 1 else None


def _is_printable(text: str) -> bool:
    return all(unicodedata.category(character)[0] != "C" for character in text)
