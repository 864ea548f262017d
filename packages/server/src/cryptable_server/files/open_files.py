"""How many files and sockets this process may have open, and the way to as many as the system grants."""

from __future__ import annotations

import resource
from contextlib import suppress

_ANY = 1 << 20
"""Where the system sets no limit: as many as Linux does by default."""


def most_open_files() -> int:
    """What `raise_limit` can raise the limit to."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return _ANY if hard == resource.RLIM_INFINITY else min(hard, _ANY)


def raise_limit() -> int:
    """Allow this process, and those that it starts, as many as the system grants; returns how many that are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = most_open_files()
    if soft != resource.RLIM_INFINITY and soft < most:
        # Some containers grant less than they say.
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
