"""When keys were made, and when they stop being used."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from cryptable_protocol.errors import InvalidInputError

from cryptable_client.errors import KeysExpiredError

_LATEST = 253402300799
"""The last second of the year 9999, which is as far as dates go."""


@dataclass(frozen=True)
class Lifetime:
    """Seconds since 1970, UTC; `expires_seconds` 0: never."""

    created_seconds: int
    expires_seconds: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.created_seconds <= _LATEST or not 0 <= self.expires_seconds <= _LATEST:
            raise InvalidInputError(f"keys made at {self.created_seconds} s until {self.expires_seconds} s: no dates")

    @classmethod
    def until(cls, expires: datetime | None) -> Lifetime:
        """From now on.

        Raises:
            InvalidInputError: `expires` has no time zone, or has passed.
        """
        now = int(time.time())
        if expires is None:
            return cls(now)
        if expires.tzinfo is None:
            raise InvalidInputError(f"expires={expires} has no time zone: pass datetime(..., tzinfo=timezone.utc)")
        end = int(expires.timestamp())
        if end <= now:
            raise InvalidInputError(f"expires={expires} has passed: keys must be of use for a while")
        return cls(now, end)

    @property
    def created(self) -> datetime:
        """As a date, UTC."""
        return _date(self.created_seconds)

    @property
    def expires(self) -> datetime | None:
        """As a date, UTC; None: never."""
        return _date(self.expires_seconds) if self.expires_seconds else None

    @property
    def expired(self) -> bool:
        """Whether the end has come."""
        return 0 < self.expires_seconds <= time.time()

    def check(self, what: str) -> None:
        """Raise KeysExpiredError where the end has come."""
        if self.expired:
            raise KeysExpiredError(
                f"{what} expired on {self.expires:%Y-%m-%d %H:%M} UTC: make new ones (`cryptable-client keys rotate`), "
                "or load them with allow_expired=True to decrypt older answers"
            )


def _date(seconds: int) -> datetime:
    # `fromtimestamp` asks the system, and Windows knows no date after the year 3000.
    return datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=seconds)
