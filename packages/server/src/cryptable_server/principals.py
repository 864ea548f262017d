"""Who calls, and what they may do: evaluation keys belong to a principal, and no call reaches those of another."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from cryptable_server.errors import ConfigurationError, ForbiddenError, UnauthenticatedError

_SCHEME = "bearer"
_METADATA_KEY = "authorization"
_COMMON_NAME = "x509_common_name"


class Role(Enum):
    """What a principal may do. Everyone who is known may ask for models and their specifications."""

    EVALUATE = "evaluate"
    """Infer."""
    UPLOAD = "upload"
    """Upload and delete evaluation keys of their own."""
    ADMIN = "admin"
    """See what the server does, load and unload models, see and delete the evaluation keys of all."""

    @classmethod
    def named(cls, name: str) -> Role:
        """The role of that name; raises ConfigurationError where there is none."""
        try:
            return cls(name.strip())
        except ValueError:
            known = ", ".join(role.value for role in cls)
            raise ConfigurationError(f"--roles: there is no role {name!r}; there are: {known}") from None


USUAL_ROLES = frozenset({Role.EVALUATE, Role.UPLOAD})
"""Of callers, unless they are given others: an administrator is always named as one."""


@dataclass(frozen=True)
class Principal:
    """A caller's identity, as "anonymous", "token:NAME", "jwt:SUBJECT" or "mtls:NAME"."""

    name: str
    roles: frozenset[Role] = USUAL_ROLES

    @property
    def folder(self) -> str:
        """A name for files: a principal's own may hold any character."""
        return hashlib.sha256(self.name.encode()).hexdigest()

    def require(self, role: Role) -> None:
        """Raise ForbiddenError unless the principal has the role."""
        if role not in self.roles:
            raise ForbiddenError(
                f"{self.name} may not do this: it takes the role {role.value!r}, which the server's operator gives"
            )


ANONYMOUS = Principal("anonymous")
"""Every caller, as long as the server does not ask for client certificates or tokens."""

Metadata = Iterable[tuple[str, str | bytes]]
AuthContext = Mapping[str, Iterable[bytes]]


class TokenReader(Protocol):
    """Tells whose token it is."""

    def find(self, token: str) -> Principal | None:
        """The principal of a token, or None."""


class FirstOf:
    """Several readers of tokens: the first that knows one tells whose it is."""

    def __init__(self, *readers: TokenReader) -> None:
        self._readers = readers

    def find(self, token: str) -> Principal | None:
        """See TokenReader."""
        return next((found for reader in self._readers if (found := reader.find(token)) is not None), None)


class Authenticator:
    """Tells a caller's principal from what the call shows: a bearer token, else the TLS client certificate."""

    def __init__(
        self, *, tokens: TokenReader | None = None, certificates: bool = False, admins: Iterable[str] = ()
    ) -> None:
        """Without tokens and certificates, every caller is anonymous.

        Args:
            tokens: whose each token is.
            certificates: whether TLS asks for client certificates.
            admins: common names of those whose certificate gives them the role too; a token has its own roles.
        """
        self._tokens = tokens
        self._certificates = certificates
        self._admins = frozenset(admins)

    @property
    def open(self) -> bool:
        """Whether callers need not say who they are."""
        return self._tokens is None and not self._certificates

    def admits(self, metadata: Metadata | None) -> bool:
        """Whether a call with this metadata comes from someone who is known, where certificates cannot be asked for."""
        if self.open or self._certificates:
            return True
        try:
            self.principal(metadata or (), {})
        except UnauthenticatedError:
            return False
        return True

    def principal(self, metadata: Metadata, auth_context: AuthContext) -> Principal:
        """Who calls; raises UnauthenticatedError where that cannot be told.

        Args:
            metadata: the call's.
            auth_context: gRPC's, of which only what a verified client certificate says is used.
        """
        if self.open:
            return ANONYMOUS
        shown = [value for key, value in metadata if key == _METADATA_KEY]
        if shown and self._tokens is not None:
            return self._of_token(shown, self._tokens)
        if self._certificates:
            return self._of_certificate(auth_context)
        raise UnauthenticatedError("this server asks for a token: call with the metadata 'authorization: Bearer TOKEN'")

    def _of_token(self, shown: list[str | bytes], tokens: TokenReader) -> Principal:
        value = shown[0]
        # Two would leave open which of them an inspecting proxy has judged.
        if len(shown) == 1 and isinstance(value, str):
            scheme, _, token = value.partition(" ")
            found = tokens.find(token.strip()) if scheme.lower() == _SCHEME else None
            if found is not None:
                return found
        raise UnauthenticatedError(
            "this token is unknown here, has been revoked or has expired; ask the server's operator for one"
        )

    def _of_certificate(self, auth_context: AuthContext) -> Principal:
        names = list(auth_context.get(_COMMON_NAME, ()))
        if len(names) == 1 and names[0]:
            try:
                name = names[0].decode()
            except UnicodeDecodeError:
                pass
            else:
                return Principal(f"mtls:{name}", frozenset(Role) if name in self._admins else USUAL_ROLES)
        raise UnauthenticatedError(
            "the client certificate has no common name (CN), by which this server knows its callers"
        )
