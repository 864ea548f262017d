"""ModelFolder: the files of a directory of models, read whatever lies there: what hangs or is no file is refused."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TypeAlias

from cryptable_protocol import CryptableError, ModelArtifact, limits

from cryptable_server.errors import ModelsError
from cryptable_server.files.regular_files import FileState, file_state, read_regular
from cryptable_server.models.entry import Refusal
from cryptable_server.models.settings import FILE, ModelSettings, read_model_settings
from cryptable_server.models.timed_reader import TimedReader

SUFFIX = ".cryptable"
_READ_SECONDS = 20.0
"""Of one file. What takes longer is served later: it counts as a change once it has been read."""
_PASSING = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.EAGAIN, errno.ESTALE})
"""Of errors that leave no trace in a file's state, and so would not be seen to be over."""

FolderState: TypeAlias = frozenset[tuple[str, FileState | str]]
"""Name and state, or what is wrong with it, of each artifact, and of the file of model settings."""


class ModelFolder:
    """One directory. Safe to use from several threads."""

    def __init__(self, path: Path, *, read_seconds: float = _READ_SECONDS) -> None:
        """Wait for each file at most so many seconds."""
        self.path = path
        self._reader = TimedReader(read_seconds)
        self._again = False

    def state(self) -> FolderState:
        """What there is, whatever it is: a broken link may become a file, and a file a FIFO."""
        try:
            paths = (*self.files(), self.path / FILE)
        except ModelsError as error:
            return frozenset({(".", str(error))})
        states = self._reader.each({path: partial(file_state, path) for path in paths})
        return frozenset(
            (path.name, (state.strerror or str(state)) if isinstance(state, OSError) else state)
            for path, state in states.items()
        )

    def is_to_be_read_again(self) -> bool:
        """Whether something may be readable by now that was not, though no state tells it: said once."""
        again, self._again = self._again, False
        return self._reader.recovered() or again

    def files(self) -> list[Path]:
        """Everything that is called as an artifact is, sorted; raises ModelsError where that cannot be told."""
        try:
            paths = self._reader.one(self.path, lambda: list(self.path.iterdir()))
        except OSError as error:
            raise ModelsError(f"--models {self.path}: {error.strerror or error}") from error
        return sorted(path for path in paths if path.name.endswith(SUFFIX))

    def settings(self) -> dict[str, ModelSettings]:
        """See `read_model_settings`; raises ModelsError where the file hangs as well."""
        path = self.path / FILE
        try:
            return self._reader.one(path, lambda: read_model_settings(self.path))
        except OSError as error:
            raise ModelsError(f"{path}: {error.strerror or error}") from error

    def artifacts(self, files: Sequence[Path]) -> dict[Path, ModelArtifact | Refusal]:
        """What each of `files` holds, or why it is refused."""
        found: dict[Path, ModelArtifact | Refusal] = {}
        for path, outcome in self._reader.each({path: partial(_artifact_or_refusal, path) for path in files}).items():
            if isinstance(outcome, OSError):
                self._again |= outcome.errno in _PASSING
                found[path] = Refusal(outcome.strerror or str(outcome))
            else:
                found[path] = outcome
        return found


def _artifact_or_refusal(path: Path) -> ModelArtifact | Refusal:
    try:
        return ModelArtifact.from_bytes(read_regular(path, most=limits.MAX_ARTIFACT_BYTES)[0])
    except CryptableError as error:
        return Refusal(str(error))
