"""The client's part of the scheme `squares`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, ClassVar

import numpy as np
import numpy.typing as npt
from cryptable_protocol.errors import InvalidInputError
from cryptable_protocol.messages import tensor as tensor_pb
from cryptable_protocol.schemes.ring_tensor import RingTensor
from cryptable_protocol.schemes.scheme import SQUARES
from cryptable_protocol.schemes.squares.bulk_parameters import BulkParameters
from cryptable_protocol.schemes.squares.keyset import SquaresKeyset
from cryptable_protocol.schemes.squares.parameters import SquaresParameters

from cryptable_client.errors import WeakParametersError
from cryptable_client.schemes import ternary
from cryptable_client.schemes.scheme import client_scheme
from cryptable_client.schemes.squares import bulk, encryption, evaluation_keys, secret
from cryptable_client.schemes.ternary import Secret

_SECURITY_BITS = 128
MOST_MODULUS_BITS = {8192: 214.0, 16384: 430.0}
"""Of all primes of a ring, for a ternary secret and 128 bits: Security Guidelines for Implementing Homomorphic
Encryption (2024), tables of classical attacks."""


@client_scheme
class Squares:
    """Key material: the secret's coefficients. Rings, primes, and how secrets and noise are drawn are the scheme's."""

    scheme: ClassVar[str] = SQUARES

    def check_keyset(self, keyset: SquaresKeyset, *, security_bits: int) -> None:
        """Chains are a closed list: what is left to refuse is the wish for more, and a list that went wrong."""
        if security_bits != _SECURITY_BITS:
            raise InvalidInputError(
                f"security_bits is {security_bits}, keysets of the scheme squares give {_SECURITY_BITS}"
            )
        bits = float(np.log2(np.array(keyset.chain.primes, np.float64)).sum())
        if bits > MOST_MODULUS_BITS.get(keyset.ring_size, 0.0):
            raise WeakParametersError(
                f"chain {keyset.number}: primes of {bits:.1f} bits in all, at most "
                f"{MOST_MODULUS_BITS.get(keyset.ring_size, 0.0)} give 128 bits of security at N = {keyset.ring_size}"
            )

    def check_parameters(self, parameters: SquaresParameters | BulkParameters, *, security_bits: int) -> None:
        """Layout, moduli and words are checked wherever they are made."""
        self.check_keyset(parameters.keyset, security_bits=security_bits)

    def keyset_to_bytes(self, keyset: SquaresKeyset) -> bytes:
        """Chain and rotations."""
        return keyset.to_bytes()

    def keyset_from_bytes(self, data: bytes) -> SquaresKeyset:
        """See ClientScheme."""
        return SquaresKeyset.from_bytes(data)

    def generate(self, keyset: SquaresKeyset) -> Secret:
        """A ternary secret that passes the scheme's test."""
        return secret.generate(keyset.ring_size)

    def pack(self, keyset: SquaresKeyset, material: Secret) -> npt.NDArray[np.uint8]:
        """See ClientScheme."""
        return ternary.pack(material)

    def unpack(self, keyset: SquaresKeyset, packed: bytes) -> Secret:
        """See ClientScheme."""
        return secret.unpack(packed, keyset.ring_size)

    def erase(self, material: Secret) -> None:
        """See ClientScheme."""
        material.fill(0)

    def evaluation_keys(self, keyset: SquaresKeyset, material: Secret, *, threads: int) -> Iterator[bytes | memoryview]:
        """In one thread, a row at a time: quickly for few rotations, in seconds for all those of a large ring."""
        return evaluation_keys.chunks(keyset, material)

    def owns(self, keyset: SquaresKeyset, material: Secret, file: BinaryIO) -> bool:
        """By the noise of the first row."""
        return evaluation_keys.are_of(keyset, material, file, first_row_alone=True)

    def intact(self, keyset: SquaresKeyset, material: Secret, file: BinaryIO, *, threads: int) -> bool:
        """By the noise of every row."""
        return evaluation_keys.are_of(keyset, material, file, first_row_alone=False)

    def encrypt(
        self, parameters: SquaresParameters | BulkParameters, material: Secret, values: npt.NDArray[np.int64]
    ) -> RingTensor:
        """See ClientScheme."""
        if isinstance(parameters, BulkParameters):
            return bulk.encrypt_rows(parameters, material, np.atleast_2d(values))
        return encryption.encrypt_row(parameters, material, values)

    def decrypt(
        self,
        parameters: SquaresParameters | BulkParameters,
        material: Secret,
        tensor: RingTensor,
        *,
        further_bits: int,
    ) -> npt.NDArray[np.int64]:
        """Integers in 0 … maximum; there are no further bits."""
        if isinstance(parameters, BulkParameters):
            return bulk.decrypt_rows(parameters, material, tensor)
        return encryption.decrypt_answer(parameters, material, tensor)

    def read_tensor(self, message: tensor_pb.EncryptedTensor) -> RingTensor:
        """See ClientScheme."""
        return RingTensor.from_message(message)
