"""KeyLedger: the books of a key store, in memory: whose keys there are, what is on its way, and what has to go.

It touches no file and no clock: its store says what has happened and when, and does what the ledger finds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from cryptable_server.errors import QuotaExceededError
from cryptable_server.keys.store import StoredKeys

Name: TypeAlias = tuple[str, bytes]
"""Whose keys, as the principal's `folder`, and their SHA-256."""


@dataclass(frozen=True)
class Usage:
    """How one set of stored keys is used."""

    keys: StoredKeys
    unused_seconds: float
    in_use: bool


class KeyLedger:
    """Stored keys, bytes that are coming in, and quotas. Its store guards it by its lock.

    Seconds are the store's clock's.
    """

    def __init__(
        self,
        *,
        quota_bytes: int | None = None,
        principal_quota_bytes: int | None = None,
        time_to_live: float | None = None,
    ) -> None:
        """An empty ledger; see DirectoryKeyStore for what the limits mean."""
        self._quota_bytes = quota_bytes
        self._principal_quota_bytes = principal_quota_bytes
        self._time_to_live = time_to_live
        self._keys: dict[str, dict[bytes, StoredKeys]] = {}
        self._used_at: dict[Name, float] = {}
        self._users: Counter[Name] = Counter()
        self._announced: Counter[str] = Counter()
        self._stored_bytes = 0
        self._incoming_bytes = 0

    @property
    def count(self) -> int:
        """Sets of stored keys."""
        return len(self._used_at)

    @property
    def used_bytes(self) -> int:
        """Of stored keys, and of what has come of uploads in progress."""
        return self._stored_bytes + self._incoming_bytes

    # Stored keys:

    def add(self, keys: StoredKeys, used_at: float) -> None:
        """Keys are stored, in place of those of the same name, if there were any."""
        self.remove(keys.owner, keys.sha256)
        self._keys.setdefault(keys.owner, {})[keys.sha256] = keys
        self._used_at[keys.owner, keys.sha256] = used_at
        self._stored_bytes += keys.size

    def remove(self, owner: str, sha256: bytes) -> None:
        """Keys are not stored any more, if they were. Who uses them goes on being counted."""
        own = self._keys.get(owner, {})
        keys = own.pop(sha256, None)
        if keys is None:
            return
        if not own:
            del self._keys[owner]
        del self._used_at[owner, sha256]
        self._stored_bytes -= keys.size

    def get(self, owner: str, sha256: bytes) -> StoredKeys | None:
        """The stored keys of that name."""
        return self._keys.get(owner, {}).get(sha256)

    def of(self, owner: str) -> list[StoredKeys]:
        """All stored keys of one owner."""
        return list(self._keys.get(owner, {}).values())

    def usage(self, keys: StoredKeys, now: float) -> Usage:
        """How stored keys are used."""
        name = keys.owner, keys.sha256
        return Usage(keys, max(0.0, now - self._used_at[name]), name in self._users)

    def usages(self, now: float) -> list[Usage]:
        """How all stored keys are used, the most recently used first."""
        return sorted((self.usage(keys, now) for keys in self._all()), key=lambda usage: usage.unused_seconds)

    # Their use:

    def begin_use(self, keys: StoredKeys, now: float) -> float:
        """Someone uses stored keys from now on; when they were used before."""
        self._users[keys.owner, keys.sha256] += 1
        return self._touch(keys, now)

    def end_use(self, keys: StoredKeys, now: float) -> float | None:
        """Someone uses them no more, which is a use too; when they were used before, None where they are gone."""
        name = keys.owner, keys.sha256
        self._users[name] -= 1
        if not self._users[name]:
            del self._users[name]
        return self._touch(keys, now) if name in self._used_at else None

    def expired(self, now: float) -> list[StoredKeys]:
        """What nobody uses, and nobody has used for the time to live."""
        if self._time_to_live is None:
            return []
        since = now - self._time_to_live
        return [keys for keys in self._idle() if self._used_at[keys.owner, keys.sha256] < since]

    def least_recently_used(self) -> StoredKeys | None:
        """What goes first to make room: None where all keys are in use."""
        return min(self._idle(), key=lambda keys: self._used_at[keys.owner, keys.sha256], default=None)

    # Uploads:

    def excess_bytes_of(self, owner: str, sha256: bytes, size: int, kept_bytes: int) -> int:
        """How many bytes too many an owner would have with keys that are to come, and `kept_bytes` of broken uploads.

        Keys of the same name take no more than they do already.
        """
        if self._principal_quota_bytes is None:
            return 0
        return max(0, self._bytes_of(owner, sha256) + size + kept_bytes - self._principal_quota_bytes)

    def own_room(self, owner: str, sha256: bytes, size: int) -> list[StoredKeys]:
        """Which of an owner's own keys make room for keys that are to come, the least recently used first.

        None where even all that are not in use would not do.
        """
        excess = self.excess_bytes_of(owner, sha256, size, 0)
        idle = [keys for keys in self._idle() if keys.owner == owner and keys.sha256 != sha256]
        going = []
        for keys in sorted(idle, key=lambda keys: self._used_at[keys.owner, keys.sha256]):
            if excess > 0:
                going.append(keys)
                excess -= keys.size
        return going if excess <= 0 else []

    def announce(self, owner: str, sha256: bytes, size: int) -> None:
        """An upload of `size` bytes begins; counted until `withdraw`.

        Raises:
            QuotaExceededError: it cannot fit, even where everything goes that may.
        """
        if self.excess_bytes_of(owner, sha256, size, 0):
            raise QuotaExceededError(
                f"these evaluation keys have {size} bytes, and yours take {self._bytes_of(owner, sha256)} of the "
                f"{self._principal_quota_bytes} that this server stores for each principal; none of them is dropped "
                "that is in use or on its way: end some calls, or delete keys"
            )
        if self._quota_bytes is not None and self._bound_bytes() + size > self._quota_bytes:
            raise QuotaExceededError(
                f"these evaluation keys have {size} bytes, more than this server can store now (at most "
                f"{self._quota_bytes} bytes of all keys together, of which it drops none that are in use)"
            )
        self._announced[owner] += size

    def withdraw(self, owner: str, size: int) -> None:
        """An upload that was announced has ended, one way or the other."""
        self._announced[owner] -= size
        if not self._announced[owner]:
            del self._announced[owner]

    def lacks_room(self, size: int, kept_bytes: int) -> bool:
        """Whether `size` more bytes are too many, beside what there is and `kept_bytes` of broken uploads."""
        return self._quota_bytes is not None and self.used_bytes + kept_bytes + size > self._quota_bytes

    def receive(self, size: int) -> None:
        """Bytes of an upload have come."""
        self._incoming_bytes += size

    def release(self, size: int) -> None:
        """Bytes of an upload are not coming in any more: they are stored, kept for later, or gone."""
        self._incoming_bytes -= size

    def _touch(self, keys: StoredKeys, now: float) -> float:
        name = keys.owner, keys.sha256
        before = self._used_at[name]
        self._used_at[name] = now
        return before

    def _all(self) -> Iterator[StoredKeys]:
        for own in self._keys.values():
            yield from own.values()

    def _idle(self) -> Iterator[StoredKeys]:
        return (keys for keys in self._all() if (keys.owner, keys.sha256) not in self._users)

    def _bytes_of(self, owner: str, but: bytes) -> int:
        return self._announced[owner] + sum(keys.size for keys in self.of(owner) if keys.sha256 != but)

    def _bound_bytes(self) -> int:
        """What cannot go: keys in use, and what has been announced, whether it has come or not."""
        in_use = (self.get(*name) for name in self._users)
        return self._announced.total() + sum(keys.size for keys in in_use if keys is not None)
