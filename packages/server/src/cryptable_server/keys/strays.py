"""Strays: what lies among evaluation keys and is none of ours: named in the log, and left where it is."""

from __future__ import annotations

import logging
from pathlib import Path

from cryptable_server.logs import log

_LOGGER = logging.getLogger(__name__)


def log_stray(path: Path, error: OSError) -> None:
    """Say that `path` cannot be used, and is not."""
    log(_LOGGER, logging.WARNING, "stray among the keys", path=str(path), reason=error.strerror or str(error))
