"""open_kernel: a library is trusted once it has multiplied two polynomials whose product is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cryptable_kernel.library import Kernel, KernelUnavailable, load_kernel
from cryptable_kernel.memory import aligned
from cryptable_kernel.ring import Ring

_SIZE = 512


def open_kernel(choice: str | None = None, *, folder: Path | None = None) -> Kernel:
    """The library of this package, by the path that `choice` names; takes some milliseconds.

    Args:
        choice: as the environment variable `CRYPTABLE_KERNEL`, which it defaults to.
        folder: of the library and its record; this package's.

    Raises:
        KernelUnavailable: none was built, it is switched off, damaged, for another machine, or it multiplies wrongly.
        ValueError: `choice` is no word that this version knows.
    """
    kernel = load_kernel(choice, folder=folder)
    if not _multiplies(kernel):
        raise KernelUnavailable(f"the path {kernel.path} multiplies wrongly on this processor", is_expected=False)
    return kernel


def _multiplies(kernel: Kernel) -> bool:
    """Whether the product of a polynomial and a pair of integers is what schoolbook says, to a thousandth."""
    ring = Ring(kernel, _SIZE)
    one, other = np.arange(_SIZE) * 7919 % 199 - 99, np.arange(_SIZE) * 104729 % 197 - 98
    polynomial, pair, out = aligned(_SIZE), aligned(1, 2, _SIZE), aligned(2, _SIZE)
    polynomial[:], pair[0] = one, (other, -other)
    ring.pairs(pair, ring.scratch())
    ring.add_multiple(polynomial, pair[0], out, ring.scratch())
    full = np.convolve(one, other)
    expected = full[:_SIZE].copy()
    expected[:-1] -= full[_SIZE:]
    return bool(np.abs(out - (expected, -expected)).max() < 1e-3)
