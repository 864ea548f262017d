"""Who calls: evaluation keys belong to a principal, and no call reaches those of another."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Principal:
    """A caller's identity, as "anonymous" or "mtls:NAME"."""

    name: str


ANONYMOUS = Principal("anonymous")
"""Every caller, as long as the server does not ask for client certificates or tokens."""
