"""The mask stream, against AES one block at a time."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from cryptable_protocol import InvalidInputError, MaskStream
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

SEEDS = st.binary(min_size=16, max_size=16)


def one_word(seed: bytes, index: int) -> int:
    """Word `index`, by encrypting the two blocks that it can touch, each on its own."""
    encryptor = Cipher(algorithms.AES128(seed), modes.ECB()).encryptor()
    first = (8 * index + 1) // 16
    stream = b"".join(encryptor.update((first + step).to_bytes(16, "little")) for step in range(2))
    start = 8 * index + 1 - 16 * first
    return int.from_bytes(stream[start : start + 8], "little")


@given(seed=SEEDS, first=st.integers(0, 2**60 - 50), count=st.integers(0, 50))
def test_words_are_those_of_single_blocks(seed: bytes, first: int, count: int) -> None:
    words = MaskStream(seed).words(first, count)
    assert words.dtype == np.uint64
    assert words.tolist() == [one_word(seed, first + index) for index in range(count)]


@given(seed=SEEDS, cuts=st.lists(st.integers(0, 300), max_size=6))
def test_random_access_is_sequential_access(seed: bytes, cuts: list[int]) -> None:
    stream = MaskStream(seed)
    ends = [0, *sorted(cuts), 300]
    parts = [stream.words(first, end - first) for first, end in itertools.pairwise(ends)]
    np.testing.assert_array_equal(np.concatenate(parts), stream.words(0, 300))


def test_known_word() -> None:
    """Also in SPEC.md."""
    assert MaskStream(bytes(range(16))).words(0, 1).tolist() == [0x6F825B8F87373BA1]


def test_words_may_be_written_to() -> None:
    stream = MaskStream(bytes(16))
    words = stream.words(0, 4)
    words += np.uint64(1)
    assert stream.words(0, 4)[0] != words[0]


@pytest.mark.parametrize("seed", [b"", bytes(15), bytes(17)])
def test_seed_of_another_length(seed: bytes) -> None:
    with pytest.raises(InvalidInputError, match=f"got {len(seed)}"):
        MaskStream(seed)


@pytest.mark.parametrize(("first", "count"), [(-1, 1), (0, -1), (2**60, 1)])
def test_range_outside_the_stream(first: int, count: int) -> None:
    with pytest.raises(InvalidInputError, match="mask words"):
        MaskStream(bytes(16)).words(first, count)
