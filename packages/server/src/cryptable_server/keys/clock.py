"""StoreClock: a clock for ages of stored keys, which runs only while a server does and which no wall clock can move.

A wall clock may jump, by a wrong setting or a dead battery, and must neither expire keys nor keep them for ever. So a
time to live counts the seconds that a server has had the store open, by the monotonic clock. The count is kept in a
file, begins at the wall clock's time, and is what the files of keys have as their time of modification.
"""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

from cryptable_protocol.files.whole import whole_file

from cryptable_server.files.regular_files import read_regular

_NAME = ".clock"
_SAVE_SECONDS = 60.0
_MAX_BYTES = 64
_FAR = float(1 << 40)


class StoreClock:
    """The clock of one directory."""

    def __init__(self, directory: Path) -> None:
        """Go on where the clock stood when it was saved last."""
        self._path = directory / _NAME
        self._saved_at = time.monotonic()
        self._base = self._read()
        self._began = self._saved_at

    def now(self) -> float:
        """Seconds; never goes back."""
        return self._base + time.monotonic() - self._began

    def not_before(self, seconds: float) -> None:
        """Something in the store was used at `seconds`: after a kill, the saved count can be behind that."""
        self._base += max(0.0, seconds - self.now())

    def save(self, *, force: bool = False) -> None:
        """Keep the count, if it was not done lately."""
        if not force and time.monotonic() - self._saved_at < _SAVE_SECONDS:
            return
        self._saved_at = time.monotonic()
        # A full disk costs the store its count of the last hour, not its keys.
        with suppress(OSError), whole_file(self._path) as file:
            file.write(f"{self.now():.3f}\n".encode())

    def _read(self) -> float:
        try:
            seconds = float(read_regular(self._path, most=_MAX_BYTES)[0])
        except (OSError, ValueError):
            return time.time()
        return seconds if 0 <= seconds < _FAR else time.time()
