"""Known words of the mask stream, one AES block at a time."""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

_SEEDS = (bytes(16), bytes(range(16)), b"\xff" * 16)
_RANGES = ((0, 5), (1, 1), (2**20 + 1, 2), (2**33, 2))


def mask_words() -> list[dict[str, Any]]:
    """For some seeds, the words from some place on."""
    return [
        {"seed": seed.hex(), "first": first, "words": [f"{_word(seed, first + index):016x}" for index in range(count)]}
        for seed in _SEEDS
        for first, count in _RANGES
    ]


def _word(seed: bytes, index: int) -> int:
    encryptor = Cipher(algorithms.AES128(seed), modes.ECB()).encryptor()
    begin = 8 * index + 1
    blocks = [encryptor.update(number.to_bytes(16, "little")) for number in (begin // 16, begin // 16 + 1)]
    return int.from_bytes(b"".join(blocks)[begin % 16 :][:8], "little")
