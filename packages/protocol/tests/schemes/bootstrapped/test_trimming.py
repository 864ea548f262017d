"""Trimmed words: what is packed is unpacked, rounding is to the nearest, and the formula keeps its promise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from cryptable_protocol import EncryptedTensor, LimitExceededError, MalformedMessageError
from cryptable_protocol.messages import tensor as pb
from cryptable_protocol.schemes.bootstrapped.trimming import answer_word_bits, pack, rounded, unpack
from hypothesis import given
from hypothesis import strategies as st

BITS = st.integers(8, 63)


@given(bits=BITS, count=st.integers(1, 20), seed=st.integers(0, 2**32))
def test_what_is_packed_is_unpacked(bits: int, count: int, seed: int) -> None:
    words = rounded(np.random.default_rng(seed).integers(0, 2**64, count, np.uint64), bits)
    data = pack(words, bits)
    assert len(data) == (bits * count + 7) // 8
    string = sum((word >> (64 - bits)) << bits * index for index, word in enumerate(words.tolist()))
    assert int.from_bytes(data, "little") == string
    np.testing.assert_array_equal(unpack(data, bits, "words"), words)


@pytest.mark.parametrize("bits", [8, 31, 32, 63])
@pytest.mark.parametrize("count", [(1 << 13) - 1, 1 << 13, (1 << 13) + 1, 20_001])
def test_many_words_are_packed_in_chunks(bits: int, count: int) -> None:
    words = rounded(np.random.default_rng(count).integers(0, 2**64, count, np.uint64), bits)
    np.testing.assert_array_equal(unpack(pack(words, bits), bits, "words"), words)


@given(bits=BITS, word=st.integers(0, 2**64 - 1))
def test_rounding_is_to_the_nearest_modulo_two_to_the_64(bits: int, word: int) -> None:
    (result,) = rounded(np.array([word], np.uint64), bits).tolist()
    assert result % 2 ** (64 - bits) == 0
    distance = (result - word) % 2**64
    assert min(distance, 2**64 - distance) <= 2 ** (63 - bits)


@given(width=st.integers(1, 62), dimension=st.integers(1, 2**17), log2_p=st.floats(-900, -1))
def test_added_variance_is_a_millionth_of_what_the_reading_bears(width: int, dimension: int, log2_p: float) -> None:
    bits = answer_word_bits(width, dimension, 2.0**log2_p)
    assert 8 <= bits <= 64
    if bits < 64:
        added = math.log2((1 + dimension) / 12) - 2 * bits
        borne = -2 * (width + 2) - math.log2(2 * math.log(2) * -log2_p)
        assert added <= borne - 20
        assert added > borne - 25  # no bit more than the formula's bounds cost


def test_the_figures_of_the_specification() -> None:
    assert answer_word_bits(13, 2048, 2.0**-40) == 32
    assert answer_word_bits(44, 2048, 2.0**-40) == 63
    assert answer_word_bits(45, 2048, 2.0**-40) == 64


def test_measured_noise_is_the_formulas() -> None:
    generator = np.random.default_rng(0)
    dimension, bits, rows = 1000, 30, 4000
    masks = generator.integers(0, 2**64, (rows, dimension), np.uint64)
    key = generator.integers(0, 2, dimension).astype(np.uint64)
    difference = (rounded(masks @ key, bits) - rounded(masks, bits) @ key).view(np.int64)
    expected = (1 + key.sum()) / 12 * 2.0 ** (2 * (64 - bits))
    assert abs(np.var(difference.astype(np.float64)) / expected - 1) < 0.1
    assert expected <= (1 + dimension) / 12 * 2.0 ** (2 * (64 - bits))


@given(bits=BITS, size=st.integers(1, 4), dimension=st.integers(1, 9))
def test_a_trimmed_tensor_survives_its_bytes(bits: int, size: int, dimension: int) -> None:
    words = np.random.default_rng(bits).integers(0, 2**64, (size, dimension + 1), np.uint64)
    again = EncryptedTensor.from_bytes(EncryptedTensor.from_ciphertexts(words).trimmed(bits).to_bytes())
    assert again.word_bits == bits
    np.testing.assert_array_equal(again.ciphertexts(size, dimension), rounded(words, bits))


def test_what_cannot_be_trimmed() -> None:
    masked = EncryptedTensor.from_ciphertexts(np.zeros((2, 4), np.uint64))
    assert masked.trimmed(64) is masked
    for bits in (7, 65):
        with pytest.raises(MalformedMessageError, match=f"words of {bits} bits, expected 8 .. 63"):
            masked.trimmed(bits)
    with pytest.raises(MalformedMessageError, match="a seed, where masks to trim"):
        EncryptedTensor(np.zeros(1, np.uint64), seed=bytes(16)).trimmed(40)
    with pytest.raises(MalformedMessageError, match="a seed, with words of fewer"):
        EncryptedTensor(np.zeros(1, np.uint64), seed=bytes(16), word_bits=40)


def test_trimmed_words_take_no_more_memory_than_a_message() -> None:
    message = pb.EncryptedTensor(trimmed=bytes((8 << 20) + 1), bodies=b"\0", word_bits=8)
    with pytest.raises(LimitExceededError, match="more than 8388608 words"):
        EncryptedTensor.from_message(message)
