"""AuditLog: who did what, when, with which outcome, a JSON object a line, only ever appended; no bytes of keys or rows.

A line that cannot be written does not stop the call that it is about; the server's own log says that it is missing.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from cryptable_server.calls.refusal_budget import RefusalBudget
from cryptable_server.errors import ConfigurationError
from cryptable_server.logs import log, timestamp

_LOGGER = logging.getLogger(__name__)
STANDARD_ERROR = "-"


class AuditLog:
    """Lines for a file, or for standard error. Safe to use from several threads.

    The file may be renamed or removed while the server runs, as rotation of logs does: the next line makes it anew.
    """

    def __init__(self, path: Path | None, *, count: Callable[[bool], None] = lambda _: None) -> None:
        """Begin.

        Args:
            path: of the file; None: nothing is written, "-": to standard error.
            count: told of each line whether it was written.

        Raises:
            ConfigurationError: the file cannot be written.
        """
        self._path = path
        self._count = count
        self._mutex = threading.Lock()
        self._descriptor = -1
        self._torn = False
        self._strangers = RefusalBudget()
        if path is None:
            return
        if str(path) == STANDARD_ERROR:
            self._descriptor = os.dup(sys.stderr.fileno())
            return
        try:
            self._open(path)
        except OSError as error:
            raise ConfigurationError(f"--audit-log {path}: {error.strerror or error}") from error

    def record(self, *, who: str, what: str, outcome: str, **facts: object) -> None:
        """Append a line. `facts` say on what it was done: names and digests, never content."""
        if self._path is None:
            return
        entry = {
            "time": timestamp(time.time()),
            "event": "audit",
            "who": who,
            "what": what,
            "outcome": outcome,
            **facts,
        }
        with self._mutex:
            if outcome == "UNAUTHENTICATED" and not self._strangers.admits():
                return
            if self._strangers.left_out:
                entry["refusals_left_out"] = self._strangers.left_out
            try:
                self._write(json.dumps(entry, default=str).encode() + b"\n")
            except OSError as error:
                log(_LOGGER, logging.ERROR, "audit line lost", reason=error.strerror or str(error), line=entry)
                self._count(False)
            else:
                self._strangers.left_out = 0
                self._count(True)

    def close(self) -> None:
        """Let go of the file."""
        with self._mutex:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1

    def _write(self, line: bytes) -> None:
        if self._path is not None and str(self._path) != STANDARD_ERROR and self._moved(self._path):
            self._open(self._path)
        # After half a line, an end of line keeps the next one readable.
        view = memoryview(b"\n" + line if self._torn else line)
        self._torn = True
        while view:
            view = view[os.write(self._descriptor, view) :]
        self._torn = False

    def _moved(self, path: Path) -> bool:
        try:
            there, ours = path.stat(), os.fstat(self._descriptor)
        except OSError:
            return True
        return (there.st_dev, there.st_ino) != (ours.st_dev, ours.st_ino)

    def _open(self, path: Path) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = descriptor
        self._torn = False
