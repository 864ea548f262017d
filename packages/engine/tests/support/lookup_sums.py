"""Circuits of one level, for tests of how they are compiled."""

from __future__ import annotations

import numpy as np
from cryptable_engine import Circuit, GroupKind, Input, InputGroup, Linear, Lookup, Term


def sum_of_tables(lookups: int, width: int, output_bits: int, *, seed: int = 0) -> Circuit:
    """Random tables, each of bits of its own, summed to one number."""
    rng = np.random.default_rng(seed)
    bits = np.arange(lookups * width)
    largest = ((1 << output_bits) - 1) // lookups
    tables = rng.integers(0, largest + 1, (lookups, 1 << width))
    tables[:, 0] = largest
    return Circuit(
        (
            Input((InputGroup(GroupKind.RANGE, bits.size, 1),)),
            Linear((Term(0, bits, bits // width, 1 << (bits % width)),), np.zeros(lookups, np.int64)),
            Lookup(1, tables, np.arange(lookups)),
            Linear((Term.from_dense(2, np.ones((lookups, 1))),), np.zeros(1, np.int64)),
        ),
        3,
    )
