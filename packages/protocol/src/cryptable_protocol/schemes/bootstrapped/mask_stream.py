"""The public masks of seeded ciphertexts: AES-128 of a little-endian counter (protos/SPEC.md, "Mask stream")."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from cryptable_protocol.errors import InvalidInputError

SEED_BYTES = 16
_BLOCK_BYTES = 16
_MAX_WORDS = 1 << 60


class MaskStream:
    """Random access to the mask words of one public seed.

    Block i is AES-128-ECB(seed, i as a 16-byte little-endian integer); the stream is all blocks without the very first
    byte, as Concrete's generator has it; mask word j is its bytes 8 j to 8 j + 7, little endian.
    """

    def __init__(self, seed: bytes) -> None:
        if len(seed) != SEED_BYTES:
            raise InvalidInputError(f"a seed has {SEED_BYTES} bytes, got {len(seed)}")
        self._algorithm = algorithms.AES128(seed)

    def words(self, first: int, count: int) -> npt.NDArray[np.uint64]:
        """Mask words `first` to `first + count - 1`: shape (count,).

        Raises:
            InvalidInputError: `first` or `count` is negative, or the range ends beyond word 2^60.
        """
        if first < 0 or count < 0 or first + count > _MAX_WORDS:
            raise InvalidInputError(f"mask words {first} .. {first + count - 1} are not in 0 .. {_MAX_WORDS - 1}")
        begin = 8 * first + 1  # the stream lacks the first byte of block 0
        first_block, end_block = begin // _BLOCK_BYTES, (begin + 8 * count + _BLOCK_BYTES - 1) // _BLOCK_BYTES
        counters = np.zeros((end_block - first_block, 2), "<u8")
        counters[:, 0] = np.arange(first_block, end_block, dtype=np.uint64)
        # OpenSSL's counter mode counts big-endian, so the counters are encrypted in ECB mode instead.
        encryptor = Cipher(self._algorithm, modes.ECB()).encryptor()  # noqa: S305
        # update_into wants room for one block more than it writes.
        blocks = np.empty(counters.nbytes + _BLOCK_BYTES, np.uint8)
        encryptor.update_into(counters.view(np.uint8).data, blocks.data)
        start = begin - _BLOCK_BYTES * first_block
        return blocks[start : start + 8 * count].copy().view("<u8").astype(np.uint64, copy=False)
