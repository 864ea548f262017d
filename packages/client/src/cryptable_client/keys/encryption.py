"""Encrypting a model's input vector and decrypting its answer, with a handle on secret keys."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from cryptable_protocol.errors import InvalidInputError
from cryptable_protocol.model.client_spec import ClientSpec
from cryptable_protocol.schemes.scheme import Tensor

from cryptable_client.keys.secret_keys import SecretKeys
from cryptable_client.schemes.scheme import KeyMaterial, SchemeTensor, check_security, scheme_called


def encrypt(spec: ClientSpec, secret_keys: SecretKeys, values: npt.NDArray[np.int64]) -> SchemeTensor:
    """Encrypt one encoded row under a fresh seed.

    Args:
        spec: the model's specification.
        secret_keys: keys of the specification's keyset.
        values: integers of shape (spec.parameters.inputs,), each in 0 .. 2^input_bits - 1; what `encode_rows` gives for
            a row.

    Returns:
        The scheme's own tensor, as EncryptedTensor for models of the scheme `bootstrapped`.

    Raises:
        InvalidInputError: another shape, no integers, an integer out of range, or keys of another keyset.
        WeakParametersError: the specification is not secure.
        KeysExpiredError: the keys are past their date.
        KeysRetiredError: a server was found to answer wrongly under them.
    """
    check_security(spec)
    secret_keys.check_may_encrypt()
    material = _material_for(spec, secret_keys)
    return scheme_called(spec.scheme).encrypt(spec.parameters, material, _checked(spec, values))


def decrypt(spec: ClientSpec, secret_keys: SecretKeys, tensor: Tensor) -> npt.NDArray[np.int64]:
    """Decrypt a model's answer.

    Args:
        spec: the model's specification.
        secret_keys: the keys that its input was encrypted with.
        tensor: the answer, of the scheme's own kind.

    Returns:
        Integers of shape (spec.parameters.outputs,). An honest answer's lie in 0 .. 2^output_bits - 1; a dishonest
        one's may lie somewhat beyond. With approximate readout they are rounded to `decoder.further_bits` more bits,
        and noise may lead slightly beyond either end.

    Raises:
        InvalidInputError: keys of another keyset.
        MalformedMessageError: the tensor is not of the form that the model's parameters fix.
    """
    material = _material_for(spec, secret_keys)
    values: npt.NDArray[np.int64] = scheme_called(spec.scheme).decrypt(
        spec.parameters, material, tensor, further_bits=spec.decoder.further_bits
    )
    return values


def check_keys(spec: ClientSpec, secret_keys: SecretKeys) -> None:
    """InvalidInputError unless the keys are of the model's keyset."""
    got, needed = secret_keys.keyset.name, spec.parameters.keyset.name
    if got != needed:
        raise InvalidInputError(
            f"these secret keys are of keyset {got.hex()[:16]}, model {spec.model_name!r} needs keyset "
            f"{needed.hex()[:16]}: generate keys for this model"
        )


def _material_for(spec: ClientSpec, secret_keys: SecretKeys) -> KeyMaterial:
    check_keys(spec, secret_keys)
    return secret_keys._key_material()


def _checked(spec: ClientSpec, values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    array, inputs, bits = np.asarray(values), spec.parameters.inputs, spec.parameters.input_bits
    if array.shape != (inputs,) or array.dtype.kind not in "iu":
        raise InvalidInputError(
            f"values have shape {array.shape} and type {array.dtype}, expected integers of shape ({inputs},)"
        )
    bad = np.flatnonzero((array < 0) | (array >= 1 << bits))
    if bad.size:
        raise InvalidInputError(
            f"value {array[bad[0]]} at position {bad[0]} does not fit the input's {bits} bits, expected "
            f"0 .. {(1 << bits) - 1}"
        )
    return array.astype(np.int64)
