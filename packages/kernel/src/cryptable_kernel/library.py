"""The library that a wheel brings: looked at before it is loaded."""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

VARIABLE = "CRYPTABLE_KERNEL"
"""Environment variable: `off`, or a path; unset or `auto`, the widest that the processor has."""
PATHS = ("base", "avx2", "avx512")
"""From the narrowest on: what every processor of the kind has (SSE2, NEON), and the extensions of x86-64."""
INTERFACE = 4
"""Of the entry points; cpu.c has the same."""
RECORD = "_kernel.json"
"""Beside the library: what it is, written when it is built. Without it, the package was installed without a library."""


class KernelUnavailable(Exception):  # noqa: N818  (it is no error where nobody expects a kernel)
    """There is no kernel to use; says why.

    Attributes:
        is_expected: nobody built one, or it is switched off. Otherwise something is wrong with the installation.
    """

    def __init__(self, reason: str, *, is_expected: bool) -> None:
        super().__init__(reason)
        self.is_expected = is_expected


@dataclass(frozen=True)
class Kernel:
    """A library, and the path through it that is taken: one of `PATHS`."""

    library: ctypes.CDLL
    path: str

    def entry(self, name: str, *, result: Any = None) -> Any:  # noqa: ANN401  (ctypes has no better type)
        """An entry point of the path. Calling it lets go of Python's lock."""
        found = getattr(self.library, f"cryptable_{name}_{self.path}")
        found.restype = result
        return found


def load_kernel(choice: str | None = None, *, folder: Path | None = None) -> Kernel:
    """As `open_kernel`, but not tried."""
    choice = os.environ.get(VARIABLE, "") if choice is None else choice
    if choice == "off":
        raise KernelUnavailable(f"{VARIABLE}=off", is_expected=True)
    if choice not in ("", "auto", *PATHS):
        raise ValueError(f"{VARIABLE}={choice!r}, expected auto, off or one of {', '.join(PATHS)}")
    library = _load(folder or Path(__file__).parent)
    usable = PATHS[: library.cryptable_widest() + 1]
    if choice in PATHS and choice not in usable:
        raise KernelUnavailable(f"{VARIABLE}={choice}: this processor has {' and '.join(usable)}", is_expected=False)
    return Kernel(library, choice if choice in PATHS else usable[-1])


def _load(folder: Path) -> ctypes.CDLL:
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        place, digest = folder / str(record["library"]), str(record["sha256"])
    except FileNotFoundError:
        raise KernelUnavailable(
            "cryptable-kernel was installed without a C compiler, and without a wheel for this machine",
            is_expected=True,
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise KernelUnavailable(f"{folder / RECORD} is damaged: {error}", is_expected=False) from error
    try:
        # A library that was cut short ends the process that maps it: so its bytes are compared before.
        if hashlib.sha256(place.read_bytes()).hexdigest() != digest:
            raise KernelUnavailable(f"{place} is not what was built: damaged", is_expected=False)
        library = ctypes.CDLL(str(place))
        interface = library.cryptable_interface()
    except (OSError, AttributeError) as error:
        raise KernelUnavailable(f"{place} does not load: {error}", is_expected=False) from error
    if interface != INTERFACE:
        raise KernelUnavailable(f"{place} has interface {interface}, expected {INTERFACE}", is_expected=False)
    return library
