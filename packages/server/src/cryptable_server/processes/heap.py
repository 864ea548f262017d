"""Memory that calls have freed, given back to the system: glibc keeps some 20 MB after large requests."""

from __future__ import annotations

import ctypes

_TRIM = getattr(ctypes.CDLL(None), "malloc_trim", None)
"""Other C libraries have none, and keep less."""


def give_back() -> None:
    """Milliseconds, in which other threads go on."""
    if _TRIM is not None:
        _TRIM(ctypes.c_size_t(0))
