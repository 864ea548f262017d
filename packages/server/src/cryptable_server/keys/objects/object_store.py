"""ObjectKeyStore: evaluation keys in a place of an object store that several servers share, and copies for workers.

Every upload is an object of its own name, put whole, with its SHA-256, before it is acknowledged. So a server removes
only what it has seen: keys that another has put meanwhile under the same digest have another name, and stay. What one
server knows of others' doings is at most `_FRESH_SECONDS` old where a call asks, and a minute old in its books.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from cryptable_protocol import EvaluationKeysHeader

from cryptable_server.errors import ConfigurationError, KeysCorruptedError, KeysNotFoundError, ObjectStoreError
from cryptable_server.keys.booked import BookedKeyStore, not_found
from cryptable_server.keys.clock import StoreClock
from cryptable_server.keys.ledger import Name
from cryptable_server.keys.lock import DirectoryLock
from cryptable_server.keys.objects import listed
from cryptable_server.keys.objects.copies import KeyCopies
from cryptable_server.keys.objects.listed import Listed, Upload
from cryptable_server.keys.store import KeysEntry, StoredKeys
from cryptable_server.keys.upload import DirectoryUpload
from cryptable_server.logs import log
from cryptable_server.objects.bucket import Bucket, NoSuchObjectError, ObjectClock, StoredObject
from cryptable_server.principals import Principal

_LOGGER = logging.getLogger(__name__)
_FRESH_SECONDS = 2.0
"""How long what the object store said of keys is believed: keys that were deleted at another server work no longer."""
_SCAN_SECONDS, _SCAN_SHARE = 60.0, 100
"""Between looks at all that is stored; or so many times what a look takes, where that is more."""
_MOST_NAME_BYTES = 1 << 16
_READ_AGAIN = 3
_LOCKS = 64


class _Due(threading.local):
    """What a thread still has to do at the object store: its own part, since it acknowledges that alone."""

    def __init__(self) -> None:
        self.doomed: list[tuple[Name, tuple[StoredObject, ...]]] = []
        self.dropped: list[tuple[StoredKeys, KeysEntry, str]] = []


class ObjectKeyStore(BookedKeyStore):
    """A KeyStore in an object store. `fetch` has to come before `use`."""

    far = True

    def __init__(self, bucket: Bucket, directory: Path, *, copies_bytes: int, **books: Any) -> None:  # noqa: ANN401
        """Open the store; `scan` tells the books what there is.

        Args:
            bucket: the place where keys are, which other servers may share, each with a directory of its own.
            directory: for copies, and for uploads until they are whole; made if need be.
            copies_bytes: that copies may take, but for those in use.
            books: see BookedKeyStore; quotas and ages are of all servers' keys together.

        Raises:
            ConfigurationError: the directory cannot be used, or the object store not be written to.
        """
        incoming = directory / "incoming"
        self._lock = DirectoryLock(directory, making=incoming)
        super().__init__(incoming, StoreClock(directory), **books)
        self._bucket = bucket
        self._copies = KeyCopies(directory / "copies", copies_bytes)
        try:
            self._clock = ObjectClock(bucket)
        except ObjectStoreError as error:
            self._lock.release()
            raise ConfigurationError(
                f"--key-store: {error.args[0]}; see that the bucket is there, that the endpoint is right, and that "
                "this server's credentials may list, get, put and delete there"
            ) from error
        self._listed: dict[Name, Listed] = {}
        self._seen_at: dict[Name, float] = {}
        self._fetching = [threading.Lock() for _ in range(_LOCKS)]
        self._names: dict[str, str] = {}
        self._due = _Due()
        self._marks: set[Name] = set()
        self._removed: set[str] = set()
        """Names of objects that were removed here while a scan goes on, whose pages may have them still."""
        self._next_scan = 0.0

    def close(self) -> None:
        """See KeyStore."""
        if self._lock.held:
            with suppress(ObjectStoreError):
                self._put_marks()
            self._local_clock.save(force=True)
            self._lock.release()

    # What calls ask; all but `use` and `received` may wait for the object store.

    def begin(self, principal: Principal, header: EvaluationKeysHeader) -> DirectoryUpload:
        """See KeyStore: a principal's quota is of what it has at all servers now."""
        self._look(principal.folder)
        return super().begin(principal, header)

    def find(self, principal: Principal, sha256: bytes) -> StoredKeys:
        """See KeyStore."""
        self._look_again((principal.folder, sha256))
        return super().find(principal, sha256)

    def fetch(self, principal: Principal, sha256: bytes) -> None:
        """See KeyStore."""
        name = principal.folder, sha256
        with self._fetching[hash(name) % _LOCKS]:  # one of several calls gets them
            for _ in range(_READ_AGAIN):
                found = self.find(principal, sha256)
                with self._mutex:
                    if found.reference in self._copies:
                        self._copies.asked(found.reference)
                        return
                    upload = self._listed[name].uploads[-1] if name in self._listed else None
                if upload is not None and self._copied(found, upload):
                    return
                self._look(listed.folder_of(*name))
        raise not_found(sha256)

    def delete(self, principal: Principal, sha256: bytes) -> None:
        """See KeyStore."""
        self._look(listed.folder_of(principal.folder, sha256))
        super().delete(principal, sha256)

    def damaged(self, principal: Principal, sha256: bytes) -> None:
        """See KeyStore: it may be the copy alone; what is stored goes only if it is damaged itself."""
        with self._mutex:
            keys = self._ledger.get(principal.folder, sha256)
            if keys is not None:
                self._copies.drop(keys.reference)
        with suppress(KeysNotFoundError, KeysCorruptedError):
            self.fetch(principal, sha256)

    def delete_of(self, principal: str, sha256: bytes | None) -> int:
        """See KeyStore."""
        self._look(Principal(principal).folder)
        return super().delete_of(principal, sha256)

    def expire(self) -> int:
        """See KeyStore; and looks, every now and then, at all that is stored."""
        self._put_marks()
        if time.monotonic() >= self._next_scan:
            self.scan()
        expired = super().expire()
        with self._mutex:
            in_use = {usage.keys.reference for usage in self._ledger.usages(self._now()) if usage.in_use}
            self._copies.trim(in_use)
        return expired

    def scan(self) -> None:
        """Have the books say what is stored, by whichever server."""
        began = time.monotonic()
        self._clock.ask()
        with self._mutex:
            self._removed.clear()
        # Of a set of keys the objects may come on two pages.
        kept: list[StoredObject] = []
        for page in self._bucket.find(""):
            kept.extend(page)
        with self._mutex:
            there = listed.read(each for each in kept if each.name not in self._removed)
        for name, found in there.items():
            with self._mutex:
                if self._seen_at.get(name, began) <= began:
                    self._take(name, found, began)
        with self._mutex:
            gone = [name for name in self._listed if name not in there and self._seen_at.get(name, 0.0) <= began]
        for name in gone:
            with self._mutex:
                if self._seen_at.get(name, 0.0) <= began:
                    self._take(name, Listed((), None), began)
        with self._mutex:
            old = [name for name, seen_at in self._seen_at.items() if name not in self._listed and seen_at < began]
            for name in old:
                del self._seen_at[name]
        took = time.monotonic() - began
        self._next_scan = time.monotonic() + max(_SCAN_SECONDS, _SCAN_SHARE * took)

    def publish(self, principal: Principal, header: EvaluationKeysHeader, source: Path) -> StoredKeys:
        """See IncomingFiles: put, looked at, and only then acknowledged."""
        owner, sha256 = name = principal.folder, header.sha256
        self._bucket.put(listed.new_name(owner, sha256, header.keyset_name), source)
        if self._names.get(owner) != principal.name:
            self._bucket.put(f"{owner}/{listed.PRINCIPAL}", principal.name.encode())
            self._names[owner] = principal.name
        place = self._copies.place(owner, sha256, header.keyset_name)
        with self._mutex:
            self._copies.take(source, place)
            self._partials.drop(owner, sha256)
        self._look(listed.folder_of(owner, sha256))
        with self._mutex:
            self._ledger.release(header.size)
            found = self._listed.get(name)
            # Others of the same keys are of no use any more. All servers agree which is the last, so one remains.
            if found is not None:
                self._doom(name, tuple(upload.object for upload in found.uploads[:-1]))
        with suppress(ObjectStoreError):  # the next upload, or the end of these keys, removes them
            self._settle()
        return StoredKeys(owner, sha256, header.keyset_name, header.size, place)

    # The books and the object store:

    def _now(self) -> float:
        return self._clock.now()

    def _is_ready(self, keys: StoredKeys) -> bool:
        return keys.reference in self._copies

    def _note(self, keys: StoredKeys, now: float) -> None:  # noqa: ARG002 - the store's clock dates the mark
        self._marks.add((keys.owner, keys.sha256))

    def _names_of(self, owners: set[str]) -> dict[str, str]:
        for owner in owners - self._names.keys():
            with suppress(NoSuchObjectError, UnicodeDecodeError, ObjectStoreError):
                said = b"".join(self._bucket.get(f"{owner}/{listed.PRINCIPAL}"))[:_MOST_NAME_BYTES].decode()
                if Principal(said).folder == owner:
                    self._names[owner] = said
        return {owner: self._names.get(owner, "") for owner in owners}

    def _remove(self, keys: StoredKeys) -> None:
        name = keys.owner, keys.sha256
        found = self._listed.pop(name, None)
        self._forget_books(keys)
        self._copies.drop(keys.reference)
        self._seen_at[name] = time.monotonic()
        if found is not None:
            self._doom(name, tuple(found.objects))
        self.on_removal(keys)

    def _drop(self, keys: StoredKeys, reason: str) -> None:
        # Another server may have used them meanwhile: that is looked at when the lock is let go.
        usage = self._ledger.usage(keys, self._now())
        entry = KeysEntry(keys, self._names.get(keys.owner, ""), usage.unused_seconds, usage.in_use)
        self._due.dropped.append((keys, entry, reason))
        self._forget_books(keys)

    def _settle(self) -> None:
        dropped, self._due.dropped = self._due.dropped, []
        for keys, entry, reason in dropped:
            before = self._now() - entry.unused_seconds
            self._look(listed.folder_of(keys.owner, keys.sha256))
            with self._mutex:
                found = self._listed.get((keys.owner, keys.sha256))
                again = self._ledger.get(keys.owner, keys.sha256)
                # The store dates by whole seconds.
                if again is None or found is None or found.used_at > before + 1.0:
                    continue
                self._remove(again)
            self.on_drop(entry, reason)
        doomed, self._due.doomed = self._due.doomed, []
        for (owner, _), objects in doomed:
            for each in objects:
                self._bucket.remove(each.name)
            with self._mutex:
                left = self._ledger.of(owner)
            if not left:
                self._names.pop(owner, None)
                self._bucket.remove(f"{owner}/{listed.PRINCIPAL}")

    def _doom(self, name: Name, objects: tuple[StoredObject, ...]) -> None:
        """Have `_settle` remove objects; under the lock."""
        if objects:
            self._due.doomed.append((name, objects))
            self._removed.update(each.name for each in objects)

    def _look_again(self, name: Name) -> None:
        if time.monotonic() - self._seen_at.get(name, -_FRESH_SECONDS) >= _FRESH_SECONDS or name not in self._listed:
            self._look(listed.folder_of(*name))

    def _look(self, folder: str) -> None:
        """Have the books say what is stored of one owner, or of one set of keys."""
        began = time.monotonic()
        there = listed.read(each for page in self._bucket.find(folder) for each in page)
        owner, _, sha256 = folder.partition("/")
        with self._mutex:
            names = {(owner, bytes.fromhex(sha256))} if sha256 else {name for name in self._listed if name[0] == owner}
            for name in names | there.keys():
                self._take(name, there.get(name, Listed((), None)), began)

    def _take(self, name: Name, found: Listed, began: float) -> None:
        """What a list that was asked for at `began` says of one set of keys; under the lock."""
        if self._seen_at.get(name, 0.0) > began:
            return
        self._seen_at[name] = began
        owner, sha256 = name
        known = self._ledger.get(owner, sha256)
        if not found.uploads:
            self._listed.pop(name, None)
            if known is not None:
                self._forget_books(known)
                self._copies.drop(known.reference)
                self.on_removal(known)
            else:
                self._seen_at.pop(name)
            return
        self._listed[name] = found
        last = found.uploads[-1]
        place = self._copies.place(owner, sha256, last.keyset_name)
        keys = StoredKeys(owner, sha256, last.keyset_name, last.object.size, place)
        used_at = found.used_at
        if known is not None:
            used_at = max(used_at, self._now() - self._ledger.usage(known, self._now()).unused_seconds)
            if known.reference != place:
                self._copies.drop(known.reference)
                self.on_removal(known)
        self._ledger.add(keys, used_at)

    def _copied(self, keys: StoredKeys, upload: Upload) -> bool:
        """Get the bytes, and compare their digest; whether they were there."""
        digest = hashlib.sha256()
        with self._copies.incoming() as path:
            try:
                with path.open("wb") as file:
                    for piece in self._bucket.get(upload.object.name):
                        digest.update(piece)
                        file.write(piece)
            except NoSuchObjectError:
                return False
            if digest.digest() != keys.sha256:
                log(_LOGGER, logging.ERROR, "stored keys are damaged", object=upload.object.name)
                with self._mutex:
                    self._doom((keys.owner, keys.sha256), (upload.object,))
                self._settle()
                self._look(listed.folder_of(keys.owner, keys.sha256))
                raise KeysCorruptedError("the stored evaluation keys are damaged; upload them again")
            with self._mutex:
                self._copies.take(path, keys.reference)
        return True

    def _put_marks(self) -> None:
        with self._mutex:
            marks, self._marks = self._marks & self._listed.keys(), set()
        for name in marks:
            self._bucket.put(f"{listed.folder_of(*name)}/{listed.USED}", b"")
