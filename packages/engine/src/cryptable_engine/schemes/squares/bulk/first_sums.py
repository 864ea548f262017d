"""FirstSums: what a network's first squares read, sums of all columns, as matrix products of their residues.

SEAL multiplies a ciphertext by a number in 0.2 ms. A matrix product of the same words takes a tenth of that, exactly:
residues are cut into limbs of 28 bits, whose sums doubles hold (`columns.MOST_WEIGHT`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from cryptable_protocol.schemes.squares.keyset import Chain
from cryptable_protocol.schemes.squares.transforms import times

from cryptable_engine.circuit.circuit import IntArray
from cryptable_engine.schemes.squares.bulk.columns import Columns

_LIMB_BITS = 28
_MOST_SUM_BYTES = 128 << 20
"""Of all sums that are added up side by side: more of them read the columns once more."""
_MOST_READ_BYTES = 32 << 20
"""Of columns that are read at once."""


class FirstSums:
    """Of one plan's columns, under a chain; evaluates to the same words whatever the rows hold.

    Args:
        columns: of the plan.
        chain: ring and primes.
    """

    def __init__(self, columns: Columns, chain: Chain) -> None:
        self._chain = chain
        self._sums = [columns.steps[index][0] for index in columns.first_squares]
        self._inputs = columns.inputs
        self._column_bytes = 2 * len(chain.data) * chain.ring_size * 8
        self._at_once = max(1, _MOST_SUM_BYTES // (2 * self._column_bytes))

    @property
    def columns_read(self) -> int:
        """Over all groups of sums: how often a column's words are made."""
        return sum(len(np.flatnonzero(weights.any(axis=0))) for weights in self._groups())

    @property
    def memory_bytes(self) -> int:
        """What they take at most while they are made."""
        if not self._sums:
            return 0
        sums = min(len(self._sums), self._at_once)
        return 2 * self._column_bytes * (sums + 1) + 2 * min(_MOST_READ_BYTES, self._inputs * self._column_bytes)

    def _groups(self) -> Iterator[IntArray]:
        """Weights of sums that are added up side by side, shape (sums, inputs)."""
        for start in range(0, len(self._sums), self._at_once):
            sums = self._sums[start : start + self._at_once]
            weights = np.zeros((len(sums), self._inputs), np.int64)
            for row, each in enumerate(sums):
                for column, weight in each.weights:
                    weights[row, column] = weight
            yield weights

    def words(self, read: Callable[[int], IntArray]) -> Iterator[IntArray]:
        """Of each sum, in order, body and mask, shape (2, primes, N), without its constant.

        Args:
            read: a column's body and mask, likewise.
        """
        for weights in self._groups():
            limbs = np.zeros((2, len(weights), 2, len(self._chain.data), self._chain.ring_size))
            used = np.flatnonzero(weights.any(axis=0))
            at_once = max(1, _MOST_READ_BYTES // self._column_bytes)
            for start in range(0, len(used), at_once):
                some = used[start : start + at_once]
                self._add(limbs, weights[:, some], np.stack([read(int(column)) for column in some]))
            for index in range(len(weights)):
                yield self._joined(limbs[:, index])

    def _add(self, limbs: np.ndarray[tuple[int, ...], np.dtype[np.float64]], weights: IntArray, read: IntArray) -> None:
        factors = weights.astype(np.float64)
        for half in range(2):
            for prime in range(len(self._chain.data)):
                words = read[:, half, prime]
                low = (words & ((1 << _LIMB_BITS) - 1)).astype(np.float64)
                limbs[0, :, half, prime] += factors @ low
                limbs[1, :, half, prime] += factors @ (words >> _LIMB_BITS).astype(np.float64)

    def _joined(self, limbs: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> IntArray:
        low, high = limbs.astype(np.int64)
        found: IntArray = np.empty_like(low)
        for index, prime in enumerate(self._chain.data):
            upper = times(high[:, index] % prime, 1 << _LIMB_BITS, prime)
            found[:, index] = (upper + low[:, index]) % prime
        return found
