"""Where the automorphisms of the trace tree take coefficients."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
from cryptable_protocol.schemes.levelled.keyset import RING_SIZE


@cache
def targets(key: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Of each coefficient, where x(X^(N / 2^key + 1)) has it, and whether as it is, not negated: shape (N,) each."""
    target = np.arange(RING_SIZE) * (RING_SIZE // 2**key + 1) % (2 * RING_SIZE)
    found = target % RING_SIZE, target < RING_SIZE
    for array in found:
        array.setflags(write=False)
    return found
