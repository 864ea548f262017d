"""Expiry: how long a certificate is good for, and when that is worth a word to its operator."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from cryptography import x509

_WARN_DAYS = 30
_DAY_SECONDS = 86_400.0


@dataclass(frozen=True)
class Expiry:
    """The time from which, and until which, a certificate is good."""

    begin: datetime.datetime
    end: datetime.datetime

    @classmethod
    def of_chain(cls, pem: bytes) -> Expiry:
        """Of a server's own certificate, the first of a chain: others may be there for old clients' sake."""
        first = x509.load_pem_x509_certificates(pem)[0]
        return cls(first.not_valid_before_utc, first.not_valid_after_utc)

    @classmethod
    def of_authorities(cls, pem: bytes) -> Expiry:
        """Of those who sign callers' certificates, the last to end: from then on no caller is let in."""
        return _last(x509.load_pem_x509_certificates(pem))

    @property
    def seconds_left(self) -> float:
        """Until the end, negative after it."""
        return (self.end - _now()).total_seconds()

    @property
    def severity(self) -> Literal["good", "warning", "bad"]:
        """Bad where it is not valid now, a warning where it will not be soon."""
        if self.seconds_left <= 0 or self.begin > _now():
            return "bad"
        return "warning" if self.seconds_left < _WARN_DAYS * _DAY_SECONDS else "good"

    def __str__(self) -> str:
        """For people."""
        if self.begin > _now():
            return f"not valid before {self.begin:%Y-%m-%d %H:%M} UTC"
        days = abs(self.seconds_left) / _DAY_SECONDS
        if self.seconds_left <= 0:
            return f"expired on {self.end:%Y-%m-%d %H:%M} UTC, {days:.1f} days ago"
        return f"valid until {self.end:%Y-%m-%d %H:%M} UTC, {days:.1f} days from now"


def _last(certificates: Iterable[x509.Certificate]) -> Expiry:
    last = max(certificates, key=lambda certificate: certificate.not_valid_after_utc)
    return Expiry(last.not_valid_before_utc, last.not_valid_after_utc)


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)
