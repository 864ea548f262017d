"""The client's part of the scheme `levelled`: one ternary secret, and the universal keyset's keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, ClassVar

import numpy as np
import numpy.typing as npt
from cryptable_protocol.errors import InvalidInputError, MalformedMessageError
from cryptable_protocol.messages import tensor as tensor_pb
from cryptable_protocol.schemes.levelled.keyset import LevelledKeyset
from cryptable_protocol.schemes.levelled.parameters import LevelledParameters
from cryptable_protocol.schemes.levelled.tensor import RingTensor
from cryptable_protocol.schemes.scheme import LEVELLED

from cryptable_client.errors import WeakParametersError
from cryptable_client.schemes.levelled import encryption, evaluation_keys, secret
from cryptable_client.schemes.levelled.secret import Secret
from cryptable_client.schemes.scheme import SECURITY_BITS, client_scheme

_KEYSET_BYTES = 4


@client_scheme
class Levelled:
    """Key material: the secret's coefficients."""

    scheme: ClassVar[str] = LEVELLED

    def check_keyset(self, keyset: LevelledKeyset, *, security_bits: int) -> None:
        """Ring, noise and secret are the specification's own, on the curve of 128 bits: no keyset has others."""
        if security_bits not in (128, 132):
            raise InvalidInputError(f"security_bits is {security_bits}, expected one of 128, 132")
        if security_bits > SECURITY_BITS:
            raise WeakParametersError(
                f"keyset {keyset.number} of the scheme levelled gives {SECURITY_BITS} bits of security, expected "
                f"{security_bits}: refuse this model, or ask for {SECURITY_BITS}"
            )

    def check_parameters(self, parameters: LevelledParameters, *, security_bits: int) -> None:
        """What else a specification says is bounded by its reader."""
        self.check_keyset(parameters.keyset, security_bits=security_bits)

    def keyset_to_bytes(self, keyset: LevelledKeyset) -> bytes:
        """Its number, four bytes, little endian."""
        return keyset.number.to_bytes(_KEYSET_BYTES, "little")

    def keyset_from_bytes(self, data: bytes) -> LevelledKeyset:
        """See ClientScheme."""
        if len(data) != _KEYSET_BYTES:
            raise MalformedMessageError(f"levelled keyset: {len(data)} bytes, expected {_KEYSET_BYTES}")
        return LevelledKeyset(int.from_bytes(data, "little"))

    def generate(self, keyset: LevelledKeyset) -> Secret:
        """See ClientScheme."""
        return secret.generate()

    def pack(self, keyset: LevelledKeyset, material: Secret) -> npt.NDArray[np.uint8]:
        """Five coefficients a byte."""
        return secret.pack(material)

    def unpack(self, keyset: LevelledKeyset, packed: bytes) -> Secret:
        """See ClientScheme."""
        return secret.unpack(packed)

    def erase(self, material: Secret) -> None:
        """See ClientScheme."""
        material.fill(0)

    def evaluation_keys(self, keyset: LevelledKeyset, material: Secret, *, threads: int) -> Iterator[bytes]:
        """In one thread: they take some milliseconds."""
        return evaluation_keys.chunks(keyset, material)

    def owns(self, keyset: LevelledKeyset, material: Secret, file: BinaryIO) -> bool:
        """By the noise of the first row."""
        return evaluation_keys.are_of(keyset, material, file, first_row_alone=True)

    def intact(self, keyset: LevelledKeyset, material: Secret, file: BinaryIO, *, threads: int) -> bool:
        """By the noise of every row: what lies below it does no harm."""
        return evaluation_keys.are_of(keyset, material, file, first_row_alone=False)

    def encrypt(self, parameters: LevelledParameters, material: Secret, values: npt.NDArray[np.int64]) -> RingTensor:
        """See ClientScheme."""
        return encryption.encrypt_row(parameters, material, values)

    def decrypt(
        self,
        parameters: LevelledParameters,
        material: Secret,
        tensor: RingTensor,
        *,
        further_bits: int,
    ) -> npt.NDArray[np.int64]:
        """See ClientScheme."""
        return encryption.decrypt_answer(parameters, material, tensor)

    def read_tensor(self, message: tensor_pb.EncryptedTensor) -> RingTensor:
        """See ClientScheme."""
        return RingTensor.from_message(message)
