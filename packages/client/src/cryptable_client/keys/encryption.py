"""Encrypting a model's input vector and decrypting its answer, with a handle on secret keys."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from cryptable_protocol.errors import InvalidInputError
from cryptable_protocol.messages import tensor as tensor_pb
from cryptable_protocol.model.client_spec import ClientSpec
from cryptable_protocol.schemes.scheme import Batch, SchemeParameters, Tensor
from cryptable_protocol.schemes.squares.bulk_parameters import BulkParameters

from cryptable_client.keys.secret_keys import SecretKeys
from cryptable_client.schemes.scheme import KeyMaterial, SchemeTensor, check_security, scheme_called
from cryptable_client.schemes.squares.bulk import encrypt_in_pieces as encrypt_bulk_in_pieces


def encrypt(spec: ClientSpec, secret_keys: SecretKeys, values: npt.NDArray[np.int64]) -> SchemeTensor:
    """Encrypt one encoded row under a fresh seed.

    Args:
        spec: the model's specification.
        secret_keys: keys of the specification's keyset.
        values: integers of shape (spec.parameters.inputs,), each in 0 .. 2^input_bits - 1; what `encode_rows` gives for
            a row. Of rows in bulk, shape (rows, spec.parameters.inputs), up to `spec.parameters.rows` of them.

    Returns:
        The scheme's own tensor, as EncryptedTensor for models of the scheme `bootstrapped`.

    Raises:
        InvalidInputError: another shape, no integers, an integer out of range, or keys of another keyset.
        WeakParametersError: the specification is not secure.
        KeysExpiredError: the keys are past their date.
        KeysRetiredError: a server was found to answer wrongly under them.
    """
    return _encrypt(spec, spec.parameters, secret_keys, values)


def encrypt_together(spec: ClientSpec, batch: Batch, secret_keys: SecretKeys, rows: npt.NDArray[np.int64]) -> Tensor:
    """Encrypt several encoded rows in one tensor, as `batch` lays them out.

    Args:
        spec: the model's specification.
        batch: how its server takes rows together.
        secret_keys: keys of the specification's keyset.
        rows: integers of shape (rows, spec.parameters.inputs), at most `batch.most_rows`; see `encrypt`.

    Raises:
        MalformedMessageError: other than 1 to `batch.most_rows` rows.
        InvalidInputError, WeakParametersError, KeysExpiredError, KeysRetiredError: as `encrypt`.
    """
    tensor: Tensor = _encrypt(spec, batch.of(len(rows)), secret_keys, rows.reshape(-1))
    return tensor


def encrypt_in_pieces(
    spec: ClientSpec, secret_keys: SecretKeys, values: npt.NDArray[np.int64]
) -> Iterator[tensor_pb.EncryptedTensor]:
    """The same as the messages of a call; rows in bulk, which take many, are encrypted one after the other.

    Arguments and errors as for `encrypt`; shape (rows, spec.parameters.inputs) of rows in bulk.
    """
    if not isinstance(spec.parameters, BulkParameters):
        yield encrypt(spec, secret_keys, values).to_message()
        return
    check_security(spec)
    secret_keys.check_may_encrypt()
    material = _material_for(spec, secret_keys)
    yield from encrypt_bulk_in_pieces(spec.parameters, material, np.atleast_2d(_checked(spec.parameters, values)))


def decrypt(spec: ClientSpec, secret_keys: SecretKeys, tensor: Tensor) -> npt.NDArray[np.int64]:
    """Decrypt a model's answer.

    Args:
        spec: the model's specification.
        secret_keys: the keys that its input was encrypted with.
        tensor: the answer, of the scheme's own kind.

    Returns:
        Integers of shape (spec.parameters.outputs,); of rows in bulk, (spec.parameters.rows, spec.parameters.outputs),
        and those of rows that were not sent mean nothing. An honest answer's lie in 0 .. 2^output_bits - 1; a dishonest
        one's may lie somewhat beyond. With approximate readout they are rounded to `decoder.further_bits` more bits,
        and noise may lead slightly beyond either end.

    Raises:
        InvalidInputError: keys of another keyset.
        MalformedMessageError: the tensor is not of the form that the model's parameters fix.
    """
    return _decrypt(spec, spec.parameters, secret_keys, tensor)


def decrypt_together(
    spec: ClientSpec, batch: Batch, secret_keys: SecretKeys, tensor: Tensor, rows: int
) -> npt.NDArray[np.int64]:
    """Decrypt the answers to `rows` rows that `encrypt_together` encrypted: shape (rows, spec.parameters.outputs).

    Raises:
        InvalidInputError, MalformedMessageError: as `decrypt`.
    """
    return _decrypt(spec, batch.of(rows), secret_keys, tensor).reshape(rows, -1)


def _encrypt(
    spec: ClientSpec, parameters: SchemeParameters, secret_keys: SecretKeys, values: npt.NDArray[np.int64]
) -> SchemeTensor:
    check_security(spec)
    secret_keys.check_may_encrypt()
    material = _material_for(spec, secret_keys)
    return scheme_called(spec.scheme).encrypt(parameters, material, _checked(parameters, values))


def _decrypt(
    spec: ClientSpec, parameters: SchemeParameters, secret_keys: SecretKeys, tensor: Tensor
) -> npt.NDArray[np.int64]:
    material = _material_for(spec, secret_keys)
    values: npt.NDArray[np.int64] = scheme_called(spec.scheme).decrypt(
        parameters, material, tensor, further_bits=spec.decoder.further_bits
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


def _checked(parameters: SchemeParameters, values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    array, inputs, bits = np.asarray(values), parameters.inputs, parameters.input_bits
    most = parameters.rows if isinstance(parameters, BulkParameters) else 0
    is_block = array.ndim == 2 and 1 <= len(array) <= most and array.shape[1] == inputs
    if not (array.shape == (inputs,) or is_block) or array.dtype.kind not in "iu":
        expected = f"({inputs},)" if not most else f"(1 .. {most}, {inputs})"
        raise InvalidInputError(
            f"values have shape {array.shape} and type {array.dtype}, expected integers of shape {expected}"
        )
    bad = np.flatnonzero((array < 0) | (array >= 1 << bits))
    if bad.size:
        raise InvalidInputError(
            f"value {array.flat[bad[0]]} at position {bad[0]} does not fit the input's {bits} bits, expected "
            f"0 .. {(1 << bits) - 1}"
        )
    return array.astype(np.int64, copy=not is_block)  # a block has a hundred megabytes, and is read alone
