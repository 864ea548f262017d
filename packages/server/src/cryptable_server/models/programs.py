"""ProgramDirectory: compiled programs on disk, which several servers may share; one that nobody uses is removed."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import threading
import time
from collections.abc import Set
from contextlib import suppress
from pathlib import Path

from cryptable_server.errors import ArtifactRefusedError, ConfigurationError
from cryptable_server.logs import log

_LOGGER = logging.getLogger(__name__)


class ProgramDirectory:
    """The programs of one server. Safe to use from several threads."""

    def __init__(self, directory: Path, *, leftover_seconds: float) -> None:
        """Make the directory, and remove what compilations left that ended so long ago.

        Raises:
            ConfigurationError: it cannot be used, or others may write to it.
        """
        self._mutex = threading.Lock()
        self._held: dict[str, int] = {}
        """Programs and a locked descriptor of each, by which other servers know that it is used."""
        try:
            # Its content is native code that the workers run: nobody else may write there.
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            for leftover in directory.glob(".*"):
                if leftover.stat().st_mtime < time.time() - leftover_seconds:
                    shutil.rmtree(leftover)
        except OSError as error:
            raise ConfigurationError(f"the directory of compiled programs, {directory}: {error.strerror}") from error
        if directory.stat().st_mode & 0o022 or directory.stat().st_uid != os.getuid():
            raise ConfigurationError(
                f"the directory of compiled programs, {directory}, holds native code: only you may write to it "
                "(chmod 700)"
            )

    def hold(self, program: str) -> None:
        """Keep a program from being removed; raises ArtifactRefusedError where it is gone already."""
        try:
            descriptor = os.open(program, os.O_RDONLY)
        except OSError as error:
            raise ArtifactRefusedError(f"its program is gone ({error.strerror}); try again") from error
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        with self._mutex:
            earlier = self._held.pop(program, None)
            self._held[program] = descriptor
        if earlier is not None:
            os.close(earlier)

    def clean(self, needed: Set[str]) -> None:
        """Remove those held that are not needed, unless another server uses them."""
        with self._mutex:
            spare = {program: self._held.pop(program) for program in set(self._held) - needed}
        for program, descriptor in spare.items():
            with suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(program)
                log(_LOGGER, logging.INFO, "program removed", program=Path(program).name[:16])
            os.close(descriptor)

    def close(self) -> None:
        """Let go of all programs."""
        with self._mutex:
            for descriptor in self._held.values():
                os.close(descriptor)
            self._held.clear()
