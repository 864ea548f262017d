"""EvaluationKeysHeader: what it refuses."""

from __future__ import annotations

import pytest
from cryptable_protocol import EvaluationKeysHeader, LimitExceededError, MalformedMessageError, limits
from cryptable_protocol.evaluation_keys import check_digest

GOOD = EvaluationKeysHeader(bytes(32), 1, b"\x01" * 32)


def test_comes_back_from_its_message() -> None:
    assert EvaluationKeysHeader.from_message(GOOD.to_message()) == GOOD


@pytest.mark.parametrize(
    ("name", "size", "sha256", "error"),
    [
        (bytes(31), 1, bytes(32), MalformedMessageError),
        (bytes(32), 1, bytes(33), MalformedMessageError),
        (bytes(32), 0, bytes(32), MalformedMessageError),
        (bytes(32), limits.MAX_EVALUATION_KEYS_BYTES + 1, bytes(32), LimitExceededError),
    ],
)
def test_refuses(name: bytes, size: int, sha256: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        EvaluationKeysHeader(name, size, sha256)


def test_check_digest() -> None:
    assert check_digest(bytes(32), "digest") == bytes(32)
    with pytest.raises(MalformedMessageError, match="digest: 5 bytes"):
        check_digest(bytes(5), "digest")
