"""Encrypting a model's input vector and decrypting its answer, under one LWE key each."""

from __future__ import annotations

import os

import numpy as np
import numpy.typing as npt
from cryptable_protocol.errors import MalformedMessageError
from cryptable_protocol.schemes.bootstrapped.mask_stream import SEED_BYTES, MaskStream
from cryptable_protocol.schemes.bootstrapped.parameters import BootstrappedParameters
from cryptable_protocol.schemes.bootstrapped.tensor import EncryptedTensor
from cryptable_protocol.schemes.bootstrapped.trimming import answer_word_bits

from cryptable_client.schemes.bootstrapped import lwe
from cryptable_client.schemes.randomness import SecretStream

_CHUNK_WORDS = 1 << 15
"""Mask words expanded at a time: 256 kB stay in the second-level cache, and memory does not grow with the tensor."""


def encrypt_row(
    parameters: BootstrappedParameters, key: npt.NDArray[np.uint8], values: npt.NDArray[np.int64]
) -> EncryptedTensor:
    """Encrypt one encoded row under a fresh seed.

    Args:
        parameters: of the model.
        key: bits of its input's key.
        values: of shape (parameters.inputs,), each in 0 .. 2^width - 1; not checked.
    """
    return encrypt_words(key, lwe.encode(values, parameters.input.width), parameters.input.variance)


def encrypt_words(key: npt.NDArray[np.uint8], words: npt.NDArray[np.uint64], variance: float) -> EncryptedTensor:
    """Encrypt encoded messages, of shape (size,), under a fresh seed; nothing is checked.

    Args:
        key: bits of shape (dimension,).
        words: encoded messages.
        variance: of the noise, as a fraction of the torus, squared.
    """
    seed = os.urandom(SEED_BYTES)
    masks = MaskStream(seed)
    bodies = words + SecretStream().gaussian(words.size, variance)
    step = max(1, _CHUNK_WORDS // key.size)
    for first in range(0, words.size, step):
        rows = min(step, words.size - first)
        expanded = masks.words(first * key.size, rows * key.size).reshape(rows, key.size)
        bodies[first : first + rows] += lwe.inner_products(expanded, key)
    return EncryptedTensor(bodies=bodies, seed=seed)


def decrypt_answer(
    parameters: BootstrappedParameters, key: npt.NDArray[np.uint8], tensor: EncryptedTensor, further_bits: int
) -> npt.NDArray[np.int64]:
    """Decrypt a model's answer.

    Args:
        parameters: of the model.
        key: bits of its output's key.
        tensor: the answer.
        further_bits: below the exact ones that are read; noise may then lead slightly beyond either end.

    Raises:
        MalformedMessageError: the tensor is not of the output's size and dimension, or trimmed to fewer bits than
            the model's p_error allows.
    """
    needed = answer_word_bits(parameters.output.width, key.size, parameters.p_error)
    if tensor.word_bits < needed:
        raise MalformedMessageError(
            f"an answer has words of {tensor.word_bits} bits, expected {needed} at least: with fewer it could decrypt "
            "to something else"
        )
    ciphertexts = tensor.ciphertexts(parameters.output.size, key.size)
    return lwe.decode_scores(lwe.phases(ciphertexts, key), parameters.output.width, further_bits)
