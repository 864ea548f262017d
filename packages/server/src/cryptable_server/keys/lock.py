"""DirectoryLock: one server at a time uses a directory."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from cryptable_server.errors import ConfigurationError


class DirectoryLock:
    """Held from when it is made until `release`, or the end of the process."""

    def __init__(self, directory: Path, *, making: Path | None = None, option: str = "--keys") -> None:
        """Make the directory, and `making` in it, if need be, and lock it.

        Raises:
            ConfigurationError: it cannot be used, or another server uses it; says which `option` names it.
        """
        try:
            (making or directory).mkdir(mode=0o700, parents=True, exist_ok=True)
            self._descriptor = os.open(directory / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise ConfigurationError(f"{option} {directory}: {error.strerror or error}") from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.release()
            raise ConfigurationError(f"{option} {directory}: another server uses this directory") from error

    @property
    def held(self) -> bool:
        """Whether it is."""
        return self._descriptor >= 0

    def release(self) -> None:
        """Let others have it."""
        if self.held:
            os.close(self._descriptor)
            self._descriptor = -1
