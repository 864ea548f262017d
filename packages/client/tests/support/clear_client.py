"""The scheme `clear`, of tests, on a client: rows that anybody can read, and keys that are any bytes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from clear_parameters import ClearParameters
from cryptable_protocol import EncryptedTensor

_TOP = 63


def evaluation_keys(parameters: ClearParameters, number: int = 0) -> bytes:
    """Of the right length; those of another number are another client's."""
    return np.random.default_rng(number).bytes(parameters.keyset.evaluation_keys_bytes)


def write_row(parameters: ClearParameters, values: npt.ArrayLike) -> bytes:
    """Integers as they travel, shape (inputs,)."""
    bodies = np.asarray(values).astype(np.uint64) << np.uint64(_TOP - parameters.input_bits)
    # Masks come from the seed, and evaluation does not look at them.
    return EncryptedTensor(bodies, seed=bytes(16)).to_bytes()


def read_answer(parameters: ClearParameters, answer: bytes) -> npt.NDArray[np.int64]:
    """What an answer says, shape (outputs,)."""
    words = EncryptedTensor.from_bytes(answer).ciphertexts(parameters.outputs, 1)
    assert not words[:, :-1].any()
    return (words[:, -1] >> np.uint64(_TOP - parameters.output_bits)).astype(np.int64)
