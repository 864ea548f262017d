"""Lookups by the kernel, several side by side: each row of the keys is read from memory once for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from cryptable_kernel import MAX_BOOTSTRAP_ROWS, Bootstrap, BootstrapShape, Keyswitch, KeyswitchShape, Ring, aligned

from cryptable_engine.schemes.bootstrapped.bootstrapping.seeded_keys import SeededKeys, Words

if TYPE_CHECKING:
    from cryptable_kernel import Kernel

SIZES = (512, 1 << 15)
"""Of polynomials that the kernel has transforms of, smallest and largest."""
_HALF_WORD_VARIANCE = 2.0**-64 / 12
"""Of a word of a keyswitch key that is rounded to 32 bits, as a fraction of the torus."""
_WORTH_NOTHING = 1e-3
"""Of a keyswitch key's variance, what rounding its words may add: less than `formulas` leaves of what it tolerates."""


class KernelLookups:
    """See `keys.Lookups`.

    Args:
        kernel: an open one.
        seeded: keys that `serves` says yes to.
    """

    group = 8

    def __init__(self, kernel: Kernel, seeded: SeededKeys) -> None:
        key, switch = seeded.key, seeded.switch
        shape = BootstrapShape(seeded.small, key.glwe_dimension, key.level_count, key.base_log)
        self._bootstrap = Bootstrap(Ring(kernel, key.polynomial_size), shape)
        self._key = aligned(*self._bootstrap.key_shape)
        scratch = self._bootstrap.scratch(0)
        for first, words in seeded.bootstrap_words():
            self._bootstrap.make_key(words, self._key[first : first + len(words)], scratch)
        self._switch: Keyswitch | None = None
        if switch is not None:
            target = KeyswitchShape(seeded.large, seeded.small, switch.level_count, switch.base_log)
            self._switch = Keyswitch(kernel, target)
            self._switch_key = self._switch.make_key(seeded.keyswitch_words())

    def look_up(self, ciphertexts: Words, tables: Words) -> Words:
        """See `keys.Lookups`."""
        count = len(ciphertexts)
        if self._switch is not None:
            switched = np.empty((count, self._switch.shape.target + 1), np.uint64)
            self._switch.switch(self._switch_key, ciphertexts, switched, self._switch.scratch(count))
            ciphertexts = switched
        found = np.empty((count, self._bootstrap.dimension + 1), np.uint64)
        self._bootstrap.look_up(self._key, ciphertexts, tables, found, self._bootstrap.scratch(count))
        return found


def serves(seeded: SeededKeys) -> bool:
    """Whether the kernel computes with keys of these shapes, and no more noisily than parameters are chosen for.

    A keyswitch key's words are rounded to 32 bits. Their errors reach the phase with the row's own: the body's, and
    the mask's where the key has a one. Beside keys of more than some 1050 bits, which have little noise, that is too
    much (those of the catalogue have 944 at the most).
    """
    key, switch = seeded.key, seeded.switch
    smallest, largest = SIZES
    rounding = _HALF_WORD_VARIANCE * (1 + seeded.small / 2)
    return (
        smallest <= key.polynomial_size <= largest
        and (key.glwe_dimension + 1) * key.level_count <= MAX_BOOTSTRAP_ROWS
        and (switch is None or rounding <= _WORTH_NOTHING * switch.variance)
    )
