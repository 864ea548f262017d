"""Encrypting a model's input vector and decrypting its answer."""

from __future__ import annotations

import os

import numpy as np
import numpy.typing as npt
from cryptable_protocol.errors import InvalidInputError, MalformedMessageError
from cryptable_protocol.model.client_spec import ClientSpec
from cryptable_protocol.schemes.bootstrapped.mask_stream import SEED_BYTES, MaskStream
from cryptable_protocol.schemes.bootstrapped.tensor import EncryptedTensor
from cryptable_protocol.schemes.bootstrapped.trimming import answer_word_bits

from cryptable_client.keys.secret_keys import SecretKeys
from cryptable_client.schemes.bootstrapped import lwe
from cryptable_client.schemes.bootstrapped.security import check_security
from cryptable_client.schemes.randomness import SecretStream

_CHUNK_WORDS = 1 << 15
"""Mask words expanded at a time: 256 kB stay in the second-level cache, and memory does not grow with the tensor."""


def encrypt(spec: ClientSpec, secret_keys: SecretKeys, values: npt.NDArray[np.int64]) -> EncryptedTensor:
    """Encrypt one encoded row under a fresh seed.

    Args:
        spec: the model's specification.
        secret_keys: keys of the specification's keyset.
        values: integers of shape (spec.input.size,), each in 0 .. 2^width - 1; what `encode_rows` gives for a row.

    Raises:
        InvalidInputError: another shape, no integers, an integer out of range, or keys of another keyset.
        WeakParametersError: the specification is not secure.
        KeysExpiredError: the keys are past their date.
    """
    check_security(spec)
    secret_keys.check_not_expired()
    key = _key_of(spec, secret_keys, spec.input.key)
    return encrypt_words(key, lwe.encode(_checked(spec, values), spec.input.width), spec.input.variance)


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


def decrypt(spec: ClientSpec, secret_keys: SecretKeys, tensor: EncryptedTensor) -> npt.NDArray[np.int64]:
    """Decrypt a model's answer.

    Args:
        spec: the model's specification.
        secret_keys: the keys that its input was encrypted with.
        tensor: the answer.

    Returns:
        Integers of shape (spec.output.size,). An honest answer's lie in 0 .. 2^width - 1; a dishonest one's may have
        the padding bit, 2^width, too. With approximate readout they are rounded to `decoder.further_bits` more bits,
        and noise may lead slightly beyond either end.

    Raises:
        InvalidInputError: keys of another keyset.
        MalformedMessageError: the tensor is not of the output's size and dimension, or trimmed to fewer bits than
            the model's p_error allows.
    """
    key = _key_of(spec, secret_keys, spec.output.key)
    needed = answer_word_bits(spec.output.width, key.size, spec.p_error)
    if tensor.word_bits < needed:
        raise MalformedMessageError(
            f"the answer of model {spec.model_name!r} has words of {tensor.word_bits} bits, expected {needed} at "
            "least: with fewer it could decrypt to something else"
        )
    ciphertexts = tensor.ciphertexts(spec.output.size, key.size)
    return lwe.decode_scores(lwe.phases(ciphertexts, key), spec.output.width, spec.decoder.further_bits)


def _key_of(spec: ClientSpec, secret_keys: SecretKeys, key_id: int) -> npt.NDArray[np.uint8]:
    if secret_keys.keyset.name != spec.keyset.name:
        raise InvalidInputError(
            f"these secret keys are of keyset {secret_keys.keyset.name.hex()[:16]}, model {spec.model_name!r} needs "
            f"keyset {spec.keyset.name.hex()[:16]}: generate keys for this model"
        )
    return secret_keys._key_bits(key_id)


def _checked(spec: ClientSpec, values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    array = np.asarray(values)
    if array.shape != (spec.input.size,) or array.dtype.kind not in "iu":
        raise InvalidInputError(
            f"values have shape {array.shape} and type {array.dtype}, expected integers of shape ({spec.input.size},)"
        )
    limit = 1 << spec.input.width
    bad = np.flatnonzero((array < 0) | (array >= limit))
    if bad.size:
        raise InvalidInputError(
            f"value {array[bad[0]]} at position {bad[0]} does not fit the input's {spec.input.width} bits, expected "
            f"0 .. {limit - 1}"
        )
    return array.astype(np.int64)
