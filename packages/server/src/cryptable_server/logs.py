"""Structured logs: one JSON object a line on standard error, never a key, a ciphertext or a plaintext."""

from __future__ import annotations

import json
import logging
import sys
import time
from contextvars import ContextVar
from typing import Any

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""Of the call that is being answered."""

_FACTS = "facts"


class JsonFormatter(logging.Formatter):
    """Time (UTC), level, logger, event, request id, and the facts given with `log`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        entry: dict[str, Any] = {
            "time": timestamp(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        identity = request_id.get()
        if identity is not None:
            entry["request_id"] = identity
        entry.update(getattr(record, _FACTS, {}))
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


def timestamp(seconds: float) -> str:
    """Seconds since the epoch as people read them, UTC, to milliseconds."""
    milliseconds = round(seconds * 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(milliseconds // 1000))}.{milliseconds % 1000:03d}Z"


def log(logger: logging.Logger, level: int, event: str, **facts: object) -> None:
    """Log `event` with `facts`; digests are shortened by the caller, contents never given."""
    logger.log(level, event, extra={_FACTS: facts})


def _is_news(record: logging.LogRecord) -> bool:
    """Not that a caller went without taking its status: the call's own line is written by then."""
    return record.exc_info is None or getattr(record.exc_info[0], "__name__", "") != "ExecuteBatchError"


def configure(level: str) -> None:
    """Send all logs to standard error as JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    handler.addFilter(_is_news)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
