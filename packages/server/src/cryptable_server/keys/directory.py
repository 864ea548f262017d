"""DirectoryKeyStore: evaluation keys on disk, content-addressed, per principal, whole or not at all.

DIRECTORY/<sha256 of the principal's name>/<sha256 of the keys>.<keyset name>    one set of keys, mode 0600
DIRECTORY/<sha256 of the principal's name>/principal                            the name
DIRECTORY/incoming/<the same two>.<any>                                         uploads in progress, see partial_uploads
DIRECTORY/.clock                                                                see clock
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from cryptable_protocol import EvaluationKeysHeader
from cryptable_protocol.files.whole import sync_folder

from cryptable_server.files.regular_files import file_state
from cryptable_server.keys.booked import BookedKeyStore, not_found
from cryptable_server.keys.clock import StoreClock
from cryptable_server.keys.lock import DirectoryLock
from cryptable_server.keys.owners import forget_name, read_name, write_name
from cryptable_server.keys.store import StoredKeys
from cryptable_server.keys.strays import log_stray
from cryptable_server.principals import Principal

_INCOMING = "incoming"
_OWNER = re.compile("[0-9a-f]{64}")
_KEYS = re.compile(r"(?P<sha256>[0-9a-f]{64})\.(?P<keyset>(?:[0-9a-f]{2})+)")


class DirectoryKeyStore(BookedKeyStore):
    """A KeyStore in a local directory, which one server at a time may use."""

    far = False

    def __init__(self, directory: Path, **books: Any) -> None:  # noqa: ANN401 - as BookedKeyStore has them
        """Open `directory`, making it if need be.

        Args:
            directory: where the keys are.
            books: see BookedKeyStore.

        Raises:
            ConfigurationError: the directory cannot be used, or another server uses it.
        """
        self._directory = directory
        self._incoming = directory / _INCOMING
        self._lock = DirectoryLock(directory, making=self._incoming)
        super().__init__(self._incoming, StoreClock(directory), **books)
        for keys, used_at in sorted(self._scan(), key=lambda found: found[1]):
            self._remove_replaced(keys)
            self._ledger.add(keys, used_at)
            self._local_clock.not_before(used_at)

    def close(self) -> None:
        """See KeyStore."""
        if self._lock.held:
            self._local_clock.save(force=True)
            self._lock.release()

    def publish(self, principal: Principal, header: EvaluationKeysHeader, source: Path) -> StoredKeys:
        """See IncomingFiles."""
        folder = self._directory / principal.folder
        target = folder / f"{header.sha256.hex()}.{header.keyset_name.hex()}"
        keys = StoredKeys(folder.name, header.sha256, header.keyset_name, header.size, str(target))
        with self._mutex:
            if not folder.exists():
                folder.mkdir(mode=0o700)
                sync_folder(self._directory)
            write_name(folder, principal.name)
            now = self._now()
            os.utime(source, (now, now))
            source.replace(target)
            self._partials.drop(principal.folder, header.sha256)
            sync_folder(folder)
            self._remove_replaced(keys)
            self._ledger.add(keys, now)
            self._ledger.release(header.size)
        return keys

    def _now(self) -> float:
        return self._local_clock.now()

    def _names_of(self, owners: set[str]) -> dict[str, str]:
        return {owner: read_name(self._directory / owner) for owner in owners}

    def _find(self, principal: Principal, sha256: bytes) -> StoredKeys:
        found = super()._find(principal, sha256)
        if not Path(found.reference).exists():
            raise not_found(sha256)
        return found

    def _note(self, keys: StoredKeys, now: float) -> None:
        with suppress(OSError):
            os.utime(keys.reference, (now, now))

    def _remove(self, keys: StoredKeys) -> None:
        path = Path(keys.reference)
        path.unlink(missing_ok=True)
        sync_folder(path.parent)
        self._forget_books(keys)
        if not self._ledger.of(keys.owner):
            forget_name(path.parent)
        self.on_removal(keys)

    def _remove_replaced(self, keys: StoredKeys) -> None:
        # The same bytes for another keyset: their file would count towards no quota, and what workers have expanded
        # of them is of the wrong dimensions.
        before = self._ledger.get(keys.owner, keys.sha256)
        if before is not None and before.reference != keys.reference:
            Path(before.reference).unlink(missing_ok=True)
            self.on_removal(before)

    def _scan(self) -> Iterator[tuple[StoredKeys, float]]:
        for folder in sorted(self._directory.iterdir()):
            if _OWNER.fullmatch(folder.name) is None:
                continue
            try:
                paths = sorted(folder.iterdir())
            except OSError as error:
                log_stray(folder, error)
                continue
            for path in paths:
                name = _KEYS.fullmatch(path.name)
                if name is None:
                    continue
                try:
                    state = file_state(path)
                except OSError as error:
                    log_stray(path, error)
                    continue
                digest, keyset = bytes.fromhex(name["sha256"]), bytes.fromhex(name["keyset"])
                yield StoredKeys(folder.name, digest, keyset, state.size, str(path)), state.modified_ns / 1e9
