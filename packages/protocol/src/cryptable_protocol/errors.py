"""Exceptions of the whole project, so that one `except CryptableError` catches what any package raises on purpose.

    CryptableError
    ├── InvalidInputError       (also a ValueError)  the caller's data or argument does not fit
    ├── MalformedMessageError   bytes are not what the specification allows: truncated, corrupted, out of range
    │   └── LimitExceededError  ... or larger than a reader accepts
    └── InternalError           our bug; please report it

Each package adds its own branches in its own `errors.py`.
"""


class CryptableError(Exception):
    """Base of every exception that Cryptable raises on purpose."""


class InvalidInputError(CryptableError, ValueError):
    """The caller's data or argument does not fit; the message says what was got, what was expected and what to do."""


class MalformedMessageError(CryptableError):
    """Bytes from a file or a peer are not what protos/SPEC.md allows."""


class LimitExceededError(MalformedMessageError):
    """A message is larger than a reader accepts (see `cryptable_protocol.limits`)."""


class InternalError(CryptableError):
    """An invariant of Cryptable itself does not hold; the message says which. Please report it."""
