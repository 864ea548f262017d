"""The scheme `clear`, of tests, on a client: rows that anybody can read, and keys that protect nothing.

See `clear_parameters`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, ClassVar

import numpy as np
import numpy.typing as npt
from clear_parameters import CLEAR, ClearKeyset, ClearParameters, clear_is_known
from cryptable_client.schemes import scheme as schemes
from cryptable_client.schemes.scheme import client_scheme
from cryptable_protocol import EncryptedTensor, KeysetParameters, MalformedMessageError, limits
from cryptable_protocol.messages import client_spec as pb
from cryptable_protocol.messages import tensor as tensor_pb
from cryptable_protocol.wire.canonical import from_canonical_bytes, to_canonical_bytes

_TOP = 63
_MATERIAL_BYTES = 32


class ClearClient:
    """Key material: 32 bytes, whose digest begins their evaluation keys."""

    scheme: ClassVar[str] = CLEAR

    def check_keyset(self, keyset: ClearKeyset, *, security_bits: int) -> None:
        """There is no security whose bits could be counted."""

    def check_parameters(self, parameters: ClearParameters, *, security_bits: int) -> None:
        """As for keysets."""

    def keyset_to_bytes(self, keyset: ClearKeyset) -> bytes:
        return to_canonical_bytes(keyset.message.to_message())

    def keyset_from_bytes(self, data: bytes) -> ClearKeyset:
        message = from_canonical_bytes(pb.KeysetParameters, data, limit=limits.MAX_CLIENT_SPEC_BYTES, what="keyset")
        return ClearKeyset(KeysetParameters.from_message(message))

    def generate(self, keyset: ClearKeyset) -> bytearray:
        del keyset
        return bytearray(os.urandom(_MATERIAL_BYTES))

    def pack(self, keyset: ClearKeyset, material: bytearray) -> npt.NDArray[np.uint8]:
        del keyset
        return np.frombuffer(bytes(material), np.uint8).copy()

    def unpack(self, keyset: ClearKeyset, packed: bytes) -> bytearray:
        del keyset
        if len(packed) != _MATERIAL_BYTES:
            raise MalformedMessageError(f"{len(packed)} bytes of keys, expected {_MATERIAL_BYTES}")
        return bytearray(packed)

    def erase(self, material: bytearray) -> None:
        material[:] = bytes(len(material))

    def evaluation_keys(self, keyset: ClearKeyset, material: bytearray, *, threads: int) -> Iterator[bytes]:
        del threads
        size = keyset.evaluation_keys_bytes
        if size:
            yield hashlib.sha256(material).digest()
            yield os.urandom(size - _MATERIAL_BYTES)

    def owns(self, keyset: ClearKeyset, material: bytearray, file: BinaryIO) -> bool:
        del keyset
        return file.read(_MATERIAL_BYTES) == hashlib.sha256(material).digest()

    def intact(self, keyset: ClearKeyset, material: bytearray, file: BinaryIO, *, threads: int) -> bool:
        del threads
        return self.owns(keyset, material, file)

    def encrypt(
        self, parameters: ClearParameters, material: bytearray, values: npt.NDArray[np.int64]
    ) -> EncryptedTensor:
        del material
        bodies = values.astype(np.uint64) << np.uint64(_TOP - parameters.input_bits)
        return EncryptedTensor(bodies, seed=os.urandom(16))

    def decrypt(
        self, parameters: ClearParameters, material: bytearray, tensor: EncryptedTensor, *, further_bits: int
    ) -> npt.NDArray[np.int64]:
        del material, further_bits
        words = tensor.ciphertexts(parameters.outputs, 1)
        assert not words[:, :-1].any()
        return (words[:, -1] >> np.uint64(_TOP - parameters.output_bits)).astype(np.int64)

    def read_tensor(self, message: tensor_pb.EncryptedTensor) -> EncryptedTensor:
        return EncryptedTensor.from_message(message)


@contextmanager
def clear_has_a_client() -> Iterator[None]:
    """Until the block ends, this process makes keys that protect nothing, for specifications that say so."""
    with clear_is_known():
        client_scheme(ClearClient)
        try:
            yield
        finally:
            schemes._SCHEMES.pop(CLEAR)
