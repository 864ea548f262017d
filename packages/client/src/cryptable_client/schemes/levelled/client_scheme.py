"""The client's part of the scheme `levelled`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt
from cryptable_protocol.errors import InvalidInputError, MalformedMessageError
from cryptable_protocol.messages import tensor as tensor_pb
from cryptable_protocol.schemes.levelled.batch import RowsTogether
from cryptable_protocol.schemes.levelled.keyset import LevelledKeyset
from cryptable_protocol.schemes.levelled.linear_parameters import LinearParameters
from cryptable_protocol.schemes.levelled.parameters import LevelledParameters
from cryptable_protocol.schemes.ring_tensor import RingTensor
from cryptable_protocol.schemes.scheme import LEVELLED

from cryptable_client.schemes import ternary
from cryptable_client.schemes.levelled import encryption, evaluation_keys, secret
from cryptable_client.schemes.scheme import client_scheme
from cryptable_client.schemes.ternary import Secret

AnyParameters: TypeAlias = LevelledParameters | LinearParameters | RowsTogether

_SECURITY_BITS = 128


@client_scheme
class Levelled:
    """Key material: the secret's coefficients. Ring, noise and the secret's distribution are the scheme's own."""

    scheme: ClassVar[str] = LEVELLED

    def check_keyset(self, keyset: LevelledKeyset, *, security_bits: int) -> None:
        """Keysets have 128 bits: what is left to refuse is the wish for more."""
        if security_bits != _SECURITY_BITS:
            raise InvalidInputError(
                f"security_bits is {security_bits}, the keyset of the scheme levelled gives {_SECURITY_BITS}"
            )

    def check_parameters(self, parameters: AnyParameters, *, security_bits: int) -> None:
        """Parameters name no security: layout, moduli and words are checked wherever they are made."""
        self.check_keyset(parameters.keyset, security_bits=security_bits)

    def keyset_to_bytes(self, keyset: LevelledKeyset) -> bytes:
        """Its number, four bytes little endian."""
        return keyset.number.to_bytes(4, "little")

    def keyset_from_bytes(self, data: bytes) -> LevelledKeyset:
        """See ClientScheme."""
        if len(data) != 4:
            raise MalformedMessageError(f"keyset: {len(data)} bytes, expected 4")
        return LevelledKeyset(int.from_bytes(data, "little"))

    def generate(self, keyset: LevelledKeyset) -> Secret:
        """A ternary secret that passes the scheme's test."""
        return secret.generate()

    def pack(self, keyset: LevelledKeyset, material: Secret) -> npt.NDArray[np.uint8]:
        """See ClientScheme."""
        return ternary.pack(material)

    def unpack(self, keyset: LevelledKeyset, packed: bytes) -> Secret:
        """See ClientScheme."""
        return secret.unpack(packed)

    def erase(self, material: Secret) -> None:
        """See ClientScheme."""
        material.fill(0)

    def evaluation_keys(
        self, keyset: LevelledKeyset, material: Secret, *, threads: int
    ) -> Iterator[bytes | memoryview]:
        """In one thread: they are made in milliseconds."""
        return evaluation_keys.chunks(keyset, material)

    def owns(self, keyset: LevelledKeyset, material: Secret, file: BinaryIO) -> bool:
        """By the noise of the first row."""
        return evaluation_keys.are_of(keyset, material, file, first_row_alone=True)

    def intact(self, keyset: LevelledKeyset, material: Secret, file: BinaryIO, *, threads: int) -> bool:
        """By the noise of every row."""
        return evaluation_keys.are_of(keyset, material, file, first_row_alone=False)

    def encrypt(self, parameters: AnyParameters, material: Secret, values: npt.NDArray[np.int64]) -> RingTensor:
        """See ClientScheme."""
        if isinstance(parameters, LinearParameters):
            return encryption.encrypt_integers(parameters, material, values)
        if isinstance(parameters, RowsTogether):
            return encryption.encrypt_together(parameters, material, values)
        return encryption.encrypt_row(parameters, material, values)

    def decrypt(
        self,
        parameters: AnyParameters,
        material: Secret,
        tensor: RingTensor,
        *,
        further_bits: int,
    ) -> npt.NDArray[np.int64]:
        """Integers in 0 … maximum; there are no further bits."""
        if isinstance(parameters, RowsTogether):
            return encryption.decrypt_together(parameters, material, tensor)
        return encryption.decrypt_answer(parameters, material, tensor)

    def read_tensor(self, message: tensor_pb.EncryptedTensor) -> RingTensor:
        """See ClientScheme."""
        return RingTensor.from_message(message)
