"""The client's part of the scheme `bootstrapped`: binary keys by their ids, LWE ciphertexts, seeded evaluation keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import BinaryIO, ClassVar

import numpy as np
import numpy.typing as npt
from cryptable_protocol import limits
from cryptable_protocol.errors import InternalError, MalformedMessageError
from cryptable_protocol.messages import client_spec as pb
from cryptable_protocol.messages import tensor as tensor_pb
from cryptable_protocol.schemes.bootstrapped.keyset import KeysetParameters
from cryptable_protocol.schemes.bootstrapped.parameters import BootstrappedParameters
from cryptable_protocol.schemes.bootstrapped.tensor import EncryptedTensor
from cryptable_protocol.schemes.scheme import BOOTSTRAPPED
from cryptable_protocol.wire.canonical import from_canonical_bytes, to_canonical_bytes

from cryptable_client.schemes.bootstrapped import encryption, evaluation_keys, security
from cryptable_client.schemes.randomness import SecretStream
from cryptable_client.schemes.scheme import client_scheme

Bits = npt.NDArray[np.uint8]


@client_scheme
class Bootstrapped:
    """Key material: the bits of each secret key, one an element, by the key's id."""

    scheme: ClassVar[str] = BOOTSTRAPPED

    def check_keyset(self, keyset: KeysetParameters, *, security_bits: int) -> None:
        """See ClientScheme."""
        security.check_keyset(keyset, security_bits=security_bits)

    def check_parameters(self, parameters: BootstrappedParameters, *, security_bits: int) -> None:
        """See ClientScheme."""
        security.check_parameters(parameters, security_bits=security_bits)

    def keyset_to_bytes(self, keyset: KeysetParameters) -> bytes:
        """See ClientScheme."""
        return to_canonical_bytes(keyset.to_message())

    def keyset_from_bytes(self, data: bytes) -> KeysetParameters:
        """See ClientScheme."""
        return KeysetParameters.from_message(
            from_canonical_bytes(pb.KeysetParameters, data, limit=limits.MAX_CLIENT_SPEC_BYTES, what="keyset")
        )

    def generate(self, keyset: KeysetParameters) -> dict[int, Bits]:
        """Uniform binary keys."""
        stream = SecretStream()
        return {key.id: stream.bits(key.dimension) for key in keyset.secret_keys}

    def pack(self, keyset: KeysetParameters, material: Mapping[int, Bits]) -> Bits:
        """Each key's bits in the order of their ids, eight a byte, the first in the lowest position."""
        if {key: bits.size for key, bits in material.items()} != keyset.dimensions:
            raise InternalError("secret keys do not have the keyset's ids and dimensions")
        parts = [np.packbits(material[key.id], bitorder="little") for key in keyset.secret_keys]
        packed = np.concatenate(parts)
        for part in parts:
            part.fill(0)
        return packed

    def unpack(self, keyset: KeysetParameters, packed: bytes) -> dict[int, Bits]:
        """See ClientScheme."""
        expected = sum((key.dimension + 7) // 8 for key in keyset.secret_keys)
        if len(packed) != expected:
            raise MalformedMessageError(f"{len(packed)} bytes of keys, expected {expected}")
        material, at = {}, 0
        for key in keyset.secret_keys:
            length = (key.dimension + 7) // 8
            bits = np.unpackbits(np.frombuffer(packed, np.uint8, length, at), bitorder="little")
            if bits[key.dimension :].any():
                raise MalformedMessageError(f"secret key {key.id} has bits beyond its dimension")
            material[key.id] = bits[: key.dimension].copy()
            bits.fill(0)
            at += length
        return material

    def erase(self, material: Mapping[int, Bits]) -> None:
        """See ClientScheme."""
        for bits in material.values():
            bits.fill(0)

    def evaluation_keys(
        self, keyset: KeysetParameters, material: Mapping[int, Bits], *, threads: int
    ) -> Iterator[bytes | memoryview]:
        """Of each bootstrap key, then of each keyswitch key (protos/SPEC.md, "Evaluation keys")."""
        return evaluation_keys.chunks(keyset, material, threads)

    def owns(self, keyset: KeysetParameters, material: Mapping[int, Bits], file: BinaryIO) -> bool:
        """By the noise of the first row."""
        return evaluation_keys.are_of(keyset, material, file, first_row_alone=True, threads=1)

    def intact(self, keyset: KeysetParameters, material: Mapping[int, Bits], file: BinaryIO, *, threads: int) -> bool:
        """By the noise of every row: what lies below it does no harm."""
        return evaluation_keys.are_of(keyset, material, file, first_row_alone=False, threads=threads)

    def encrypt(
        self, parameters: BootstrappedParameters, material: Mapping[int, Bits], values: npt.NDArray[np.int64]
    ) -> EncryptedTensor:
        """See ClientScheme."""
        return encryption.encrypt_row(parameters, material[parameters.input.key], values)

    def decrypt(
        self,
        parameters: BootstrappedParameters,
        material: Mapping[int, Bits],
        tensor: EncryptedTensor,
        *,
        further_bits: int,
    ) -> npt.NDArray[np.int64]:
        """An honest answer's integers lie in 0 .. 2^width - 1; others may have the padding bit, 2^width, too."""
        return encryption.decrypt_answer(parameters, material[parameters.output.key], tensor, further_bits)

    def read_tensor(self, message: tensor_pb.EncryptedTensor) -> EncryptedTensor:
        """See ClientScheme."""
        return EncryptedTensor.from_message(message)
