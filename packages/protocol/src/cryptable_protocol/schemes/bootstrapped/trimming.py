"""Answers in fewer bits: each word of a ciphertext is rounded to its upper bits, and those are packed.

protos/SPEC.md, "EncryptedTensor", gives the bytes and the formula. Rounding is a modulus switch from 2^64 to
2^bits. It adds noise, which `answer_word_bits` keeps far below what the model's p_error was computed with.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from cryptable_protocol.errors import MalformedMessageError

MIN_WORD_BITS, MAX_WORD_BITS = 8, 63
"""From eight bits on, the number of words follows from the number of bytes."""

_WORD = 64
_SPARE_BITS = 12
_CHUNK_WORDS = 1 << 13
"""Words packed at a time, a multiple of 8: unpacked, each takes 64 bytes."""


def answer_word_bits(width: int, dimension: int, p_error: float) -> int:
    """Bits of a word that an answer needs, so that rounding does not matter to its decryption.

    Rounding to b bits adds noise of variance at most (1 + n)/12 · 2^(-2b) of the torus, whatever the key. A reading
    that fails with probability p has noise of at most 2^-(width+2) / z, with z² ≤ 2·ln(1/p). The result makes the added
    variance at most 2^-20 of that, and so multiplies p by less than 1 + 2^-10, for any p from 2^-1000 on.

    Args:
        width: of the encrypted integers, in bits.
        dimension: n, of the ciphertexts.
        p_error: probability that a reading fails, in (0, 1).

    Returns:
        At least 8; 64 where words cannot be trimmed.
    """
    exponent = 1 - math.frexp(p_error)[1]  # p_error ≥ 2^-exponent, without rounding
    length = ((dimension + 1) * exponent - 1).bit_length()
    bits = width + _SPARE_BITS + max(0, length - 2) // 2
    return bits if bits <= MAX_WORD_BITS else _WORD


def rounded(words: npt.NDArray[np.uint64], bits: int) -> npt.NDArray[np.uint64]:
    """Words rounded to multiples of 2^(64 - bits), modulo 2^64; halves upwards."""
    dropped = np.uint64(_WORD - bits)
    result: npt.NDArray[np.uint64] = ((words + np.uint64(1 << (_WORD - 1 - bits))) >> dropped) << dropped
    return result


def pack(words: npt.NDArray[np.uint64], bits: int) -> bytes:
    """The upper `bits` bits of each word, word after word in a string of bits, filled with zeros.

    Bit i of the string is bit i mod 8 of byte i // 8; each word's least significant bit comes first.
    """
    flat = np.ascontiguousarray(words, "<u8").ravel()
    parts = []
    for first in range(0, flat.size, _CHUNK_WORDS):
        chunk = flat[first : first + _CHUNK_WORDS]
        expanded = np.unpackbits(chunk.view(np.uint8), bitorder="little").reshape(chunk.size, _WORD)
        parts.append(np.packbits(expanded[:, _WORD - bits :], axis=None, bitorder="little").tobytes())
    return b"".join(parts)


def unpack(data: bytes, bits: int, what: str) -> npt.NDArray[np.uint64]:
    """The inverse of `pack`: words whose lower bits are 0.

    Raises:
        MalformedMessageError: more bytes than the words need, or a bit set that belongs to no word.
    """
    count = 8 * len(data) // bits
    if (bits * count + 7) // 8 != len(data):
        raise MalformedMessageError(f"encrypted tensor: {what} of {len(data)} bytes are not whole words of {bits} bits")
    words = np.zeros(count, "<u8")
    step = _CHUNK_WORDS * bits // 8
    for index, first in enumerate(range(0, len(data), step)):
        string = np.unpackbits(np.frombuffer(data[first : first + step], np.uint8), bitorder="little")
        size = min(_CHUNK_WORDS, count - index * _CHUNK_WORDS)
        if string[size * bits :].any():
            raise MalformedMessageError(f"encrypted tensor: {what} end in bits that belong to no word")
        expanded = np.zeros((size, _WORD), np.uint8)
        expanded[:, _WORD - bits :] = string[: size * bits].reshape(size, bits)
        begin = index * _CHUNK_WORDS
        words[begin : begin + size] = np.packbits(expanded, axis=None, bitorder="little").view("<u8")
    return words.astype(np.uint64, copy=False)
