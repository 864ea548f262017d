"""EncryptedTensor: both forms, and what does not fit a spec."""

from __future__ import annotations

import numpy as np
import pytest
from cryptable_protocol import EncryptedTensor, MalformedMessageError, MaskStream
from hypothesis import given
from hypothesis import strategies as st

WORDS = st.integers(0, 2**64 - 1)


@given(seed=st.binary(min_size=16, max_size=16), bodies=st.lists(WORDS, min_size=1, max_size=20))
def test_seeded_form(seed: bytes, bodies: list[int]) -> None:
    tensor = EncryptedTensor.from_bytes(EncryptedTensor(np.array(bodies, np.uint64), seed=seed).to_bytes())
    words = tensor.ciphertexts(len(bodies), 7)
    assert words[:, 7].tolist() == bodies
    np.testing.assert_array_equal(words[:, :7].ravel(), MaskStream(seed).words(0, 7 * len(bodies)))


@given(
    rows=st.integers(1, 9).flatmap(
        lambda width: st.lists(st.lists(WORDS, min_size=width, max_size=width), min_size=1, max_size=5)
    )
)
def test_masked_form(rows: list[list[int]]) -> None:
    words = np.array([[*row, index] for index, row in enumerate(rows)], np.uint64)
    again = EncryptedTensor.from_bytes(EncryptedTensor.from_ciphertexts(words).to_bytes())
    np.testing.assert_array_equal(again.ciphertexts(len(rows), len(rows[0])), words)


def test_other_size_or_dimension_than_expected() -> None:
    masked = EncryptedTensor.from_ciphertexts(np.zeros((2, 4), np.uint64))
    for size, dimension in ((3, 3), (2, 4), (1, 6), (6, 1)):
        with pytest.raises(MalformedMessageError, match="expected"):
            masked.ciphertexts(size, dimension)
    with pytest.raises(MalformedMessageError, match="2 ciphertexts, expected 3"):
        EncryptedTensor(np.zeros(2, np.uint64), seed=bytes(16)).ciphertexts(3, 5)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"seed": bytes(16), "masks": np.zeros((1, 3), np.uint64)},
        {"seed": bytes(15)},
        {"bodies": np.zeros(0, np.uint64), "seed": bytes(16)},
        {"bodies": np.zeros((1, 1), np.uint64), "seed": bytes(16)},
        {"bodies": np.zeros(2**17 + 1, np.uint64), "seed": bytes(16)},
    ],
)
def test_tensors_that_cannot_be(fields: dict[str, object]) -> None:
    with pytest.raises(MalformedMessageError):
        EncryptedTensor(**{"bodies": np.zeros(1, np.uint64), **fields})
