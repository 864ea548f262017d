"""Lookups by the kernel, several side by side: each row of the keys is read from memory once for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from cryptable_kernel import MAX_BOOTSTRAP_ROWS, Bootstrap, BootstrapShape, Keyswitch, KeyswitchShape, Ring, aligned

from cryptable_engine.schemes.bootstrapped.bootstrapping.seeded_keys import SeededKeys, Words
from cryptable_engine.schemes.bootstrapped.parameters.formulas import HALF_WORDS

if TYPE_CHECKING:
    from cryptable_kernel import Kernel

SIZES = (512, 1 << 15)
"""Of polynomials that the kernel has transforms of, smallest and largest."""
_HALF_WORD_VARIANCE = 2.0**-64 / 12
"""Of a word of a keyswitch key that is rounded to 32 bits, as a fraction of the torus."""


class KernelLookups:
    """See `keys.Lookups`.

    Args:
        kernel: an open one.
        seeded: keys that `serves` says yes to.
    """

    group = 8

    def __init__(self, kernel: Kernel, seeded: SeededKeys) -> None:
        key = seeded.key
        shape = BootstrapShape(seeded.small, key.glwe_dimension, key.level_count, key.base_log)
        self._bootstrap = Bootstrap(Ring(kernel, key.polynomial_size), shape)
        self._key = aligned(*self._bootstrap.key_shape)
        scratch = self._bootstrap.scratch(0)
        for first, words in seeded.bootstrap_words():
            self._bootstrap.make_key(words, self._key[first : first + len(words)], scratch)
        self._switches: dict[int, tuple[Keyswitch, npt.NDArray[np.float64]]] = {}
        for under, switch in seeded.switches.items():
            target = KeyswitchShape(seeded.dimensions[under], seeded.small, switch.level_count, switch.base_log)
            keyswitch = Keyswitch(kernel, target)
            self._switches[under] = keyswitch, keyswitch.make_key(seeded.keyswitch_words(under))

    def look_up(self, ciphertexts: Words, tables: Words, under: int) -> Words:
        """See `keys.Lookups`."""
        count, switched = len(ciphertexts), self.switched(ciphertexts, under)
        found = np.empty((count, self._bootstrap.dimension + 1), np.uint64)
        self._bootstrap.look_up(self._key, switched, tables, found, self._bootstrap.scratch(count))
        return found

    def switched(self, ciphertexts: Words, under: int) -> Words:
        """See `keys.Lookups`."""
        if under not in self._switches:
            return ciphertexts
        keyswitch, key = self._switches[under]
        switched = np.empty((len(ciphertexts), keyswitch.shape.target + 1), np.uint64)
        keyswitch.switch(key, ciphertexts, switched, keyswitch.scratch(len(ciphertexts)))
        return switched


def serves(seeded: SeededKeys) -> bool:
    """Whether the kernel computes with keys of these shapes, and no more noisily than parameters are chosen for.

    A keyswitch key's words are rounded to 32 bits. Their errors reach the phase with the row's own: the body's, and
    the mask's where the key has a one. Beside keys of more than some 1050 bits, which have little noise, that is too
    much (those of the catalogue have 944 at the most).
    """
    key = seeded.key
    smallest, largest = SIZES
    rounding = _HALF_WORD_VARIANCE * (1 + seeded.small / 2)
    return (
        smallest <= key.polynomial_size <= largest
        and (key.glwe_dimension + 1) * key.level_count <= MAX_BOOTSTRAP_ROWS
        and all(rounding <= HALF_WORDS * switch.variance for switch in seeded.switches.values())
    )
