"""ModelMirror: the artifacts of a place in an object store as files of a directory, which is read as any other.

The place is read alone. What a server serves goes on being served while the object store does not answer.
"""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path

from cryptable_protocol import limits
from cryptable_protocol.files.whole import whole_file

from cryptable_server.errors import ConfigurationError, ModelsError, ObjectStoreError
from cryptable_server.files.regular_files import read_regular
from cryptable_server.logs import log
from cryptable_server.models.folder import SUFFIX
from cryptable_server.models.settings import FILE
from cryptable_server.objects.bucket import Bucket, NoSuchObjectError, StoredObject

_LOGGER = logging.getLogger(__name__)
_BOOK = ".mirrored"
_MOST_BOOK_BYTES = 16 << 20


class ModelMirror:
    """A directory that has what a place in an object store has, whenever `refresh` has returned."""

    def __init__(self, bucket: Bucket, directory: Path) -> None:
        """Take over what an earlier run copied, and copy what has changed since.

        Raises:
            ConfigurationError: the directory cannot be used, or holds artifacts that were not copied there.
            ModelsError: the object store does not answer.
        """
        self._bucket = bucket
        self._directory = directory
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._copied = self._read_book()
            strangers = sorted(
                path.name for path in directory.iterdir() if _is_ours(path.name) and path.name not in self._copied
            )
        except OSError as error:
            raise ConfigurationError(f"--models {directory}: {error.strerror or error}") from error
        if strangers:
            raise ConfigurationError(
                f"--models {directory} has {strangers[0]}, which did not come from --model-store: give a directory for "
                "copies alone"
            )
        try:
            self._refresh()
        except ObjectStoreError as error:
            raise ModelsError(f"--model-store: {error}") from error

    def refresh(self) -> None:
        """Copy what has changed, and remove what is gone; where the object store does not answer, later."""
        try:
            self._refresh()
        except ObjectStoreError as error:
            log(_LOGGER, logging.WARNING, "models not looked for", reason=str(error))

    def _refresh(self) -> None:
        there = {each.name: each for page in self._bucket.find("") for each in page if _is_ours(each.name)}
        for name, found in there.items():
            state = f"{found.tag} {found.size} {found.modified}"
            if self._copied.get(name) != state and self._copy(found):
                self._copied[name] = state
                self._write_book()
        for name in self._copied.keys() - there.keys():
            (self._directory / name).unlink(missing_ok=True)
            del self._copied[name]
            self._write_book()

    def _copy(self, found: StoredObject) -> bool:
        """Whether it could be: one that is removed or replaced meanwhile is seen to at the next look."""
        if found.size > limits.MAX_ARTIFACT_BYTES:
            log(_LOGGER, logging.ERROR, "model not copied", object=found.name, reason=f"{found.size} bytes")
            return True
        # Before the file: after a kill in between it is copied again, and is no stranger.
        self._copied.setdefault(found.name, "")
        self._write_book()
        digest, size = hashlib.sha256(), 0
        try:
            with whole_file(self._directory / found.name) as file:
                for piece in self._bucket.get(found.name):
                    digest.update(piece)
                    size += len(piece)
                    file.write(piece)
                if size != found.size:
                    raise NoSuchObjectError(found.name)
        except NoSuchObjectError:
            return False
        log(_LOGGER, logging.INFO, "model copied", object=found.name, bytes=size, sha256=digest.hexdigest())
        return True

    def _read_book(self) -> dict[str, str]:
        try:
            said = json.loads(read_regular(self._directory / _BOOK, most=_MOST_BOOK_BYTES)[0])
        except FileNotFoundError:
            return {}
        except ValueError:
            said = None
        if not isinstance(said, dict) or not all(isinstance(state, str) for state in said.values()):
            raise ConfigurationError(f"--models {self._directory}: {_BOOK} is damaged; give an empty directory")
        return said

    def _write_book(self) -> None:
        with whole_file(self._directory / _BOOK) as file:
            file.write(json.dumps(self._copied, indent=0).encode())


def _is_ours(name: str) -> bool:
    return "/" not in name and not name.startswith(".") and (name.endswith(SUFFIX) or name == FILE)
