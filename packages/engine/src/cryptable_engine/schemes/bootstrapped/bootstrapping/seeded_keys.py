"""Which keysets have one bootstrap key that all lookups share, and keys as clients send them, a part at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from cryptable_protocol import BootstrapKeyParameters, KeysetParameters, KeyswitchKeyParameters, MaskStream
from cryptable_protocol.schemes.bootstrapped.mask_stream import SEED_BYTES

Words = npt.NDArray[np.uint64]

_EXPANDED_WORDS = 1 << 20
"""Masks that are made at a time."""


def supports(keyset: KeysetParameters) -> bool:
    """Whether all lookups bootstrap from the one small secret key to the one large one, and switch back if at all."""
    match keyset.bootstrap_keys, keyset.keyswitch_keys:
        case (bootstrap,), (keyswitch,):
            return (bootstrap.input_key, bootstrap.output_key) == (keyswitch.output_key, keyswitch.input_key)
        case (bootstrap,), ():
            return bootstrap.input_key != bootstrap.output_key
    return False


class SeededKeys:
    """A bootstrap key of a client, and the keyswitch keys that lead to what it reads.

    Args:
        keyset: of the client.
        data: evaluation keys (protos/SPEC.md, "Evaluation keys") of exactly the keyset's length.
        key: of the keyset.

    Attributes:
        key: parameters of the bootstrap key.
        switches: those of the keyswitch keys, by the id of the secret key that they lead from.
        dimensions: of all secret keys, by id.
        small: dimension of the secret key that is bootstrapped from.
        large: dimension of the one that looked-up values are under.
    """

    def __init__(self, keyset: KeysetParameters, data: memoryview, key: BootstrapKeyParameters) -> None:
        self.key, self.dimensions = key, keyset.dimensions
        self.large, self.small = self.dimensions[key.output_key], self.dimensions[key.input_key]
        self.switches: dict[int, KeyswitchKeyParameters] = {}
        self._keyswitch: dict[int, memoryview] = {}
        first = 0
        for each in keyset.bootstrap_keys:
            end = first + keyset.bootstrap_key_bytes(each)
            if each.id == key.id:
                self._bootstrap = data[first:end]
            first = end
        for switch in keyset.keyswitch_keys:
            end = first + keyset.keyswitch_key_bytes(switch)
            if switch.output_key == key.input_key and switch.input_key not in self.switches:
                self.switches[switch.input_key], self._keyswitch[switch.input_key] = switch, data[first:end]
            first = end

    def bootstrap_words(self) -> Iterator[tuple[int, Words]]:
        """Of the bootstrap key, some bits at a time: the first one, and words of shape (bits, L, k + 1, k + 1, N).

        L is the number of levels, the last of which comes first.
        """
        key: BootstrapKeyParameters = self.key
        columns, rows = key.glwe_dimension + 1, key.level_count * (key.glwe_dimension + 1)
        for first, words in _unseeded(self._bootstrap, self.large, key.polynomial_size, together=rows):
            yield first // rows, words.reshape(-1, key.level_count, columns, columns, key.polynomial_size)

    def keyswitch_words(self, under: int) -> Words:
        """The keyswitch key that leads from a secret key: shape (its dimension, L, small + 1), the last level first."""
        parts = [words for _, words in _unseeded(self._keyswitch[under], self.small, 1, together=1)]
        return np.concatenate(parts).reshape(self.dimensions[under], self.switches[under].level_count, self.small + 1)


def _unseeded(data: memoryview, masks: int, bodies: int, *, together: int) -> Iterator[tuple[int, Words]]:
    """A seeded key with its masks, some rows at a time: the first one, and words of shape (rows, masks + bodies).

    Args:
        data: the seed, then the bodies (protos/SPEC.md, "Evaluation keys").
        masks: words of a row that come from the seed.
        bodies: words of a row that follow them.
        together: rows that are not to be taken apart.
    """
    stream = MaskStream(bytes(data[:SEED_BYTES]))
    given = np.frombuffer(data[SEED_BYTES:], "<u8").reshape(-1, bodies)
    step = max(1, _EXPANDED_WORDS // (masks * together)) * together
    for first in range(0, len(given), step):
        rows = given[first : first + step]
        words = np.empty((len(rows), masks + bodies), np.uint64)
        words[:, :masks] = stream.words(first * masks, len(rows) * masks).reshape(-1, masks)
        words[:, masks:] = rows
        yield first, words
