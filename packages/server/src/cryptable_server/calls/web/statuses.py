"""Statuses and errors as the Connect protocol writes them: an HTTP status, and a JSON object with code and message."""

from __future__ import annotations

import json

HTTP_STATUSES = {
    "CANCELLED": 499,
    "INVALID_ARGUMENT": 400,
    "DEADLINE_EXCEEDED": 504,
    "NOT_FOUND": 404,
    "PERMISSION_DENIED": 403,
    "RESOURCE_EXHAUSTED": 429,
    "FAILED_PRECONDITION": 400,
    "UNIMPLEMENTED": 501,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DATA_LOSS": 500,
    "UNAUTHENTICATED": 401,
}
"""Of the gRPC statuses that the server gives."""
_SPELLINGS = {"CANCELLED": "canceled"}


def error_body(status: str, message: str) -> bytes:
    """What a caller reads."""
    return json.dumps({"code": _SPELLINGS.get(status, status.lower()), "message": message}).encode()
