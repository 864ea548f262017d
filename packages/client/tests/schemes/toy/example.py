"""A scheme for tests alone, secure against nobody: it shows what the seam asks for, and is in no wheel and no registry.

A ciphertext of v is a mask a and a body a · s + v · 2^40 modulo 2^64, s being the secret key: LWE of dimension 1
without noise.
"""

import hashlib
import os
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from cryptable_client.errors import WeakParametersError
from cryptable_protocol import (
    AffineEncoder,
    ClientSpec,
    Decoder,
    EncryptedTensor,
    InvalidInputError,
    Link,
    MalformedMessageError,
    MaskStream,
)

SIZE, BITS, SHIFT = 5, 8, np.uint64(40)
KEYS_BYTES = 16 + 8 * 40_000


@dataclass(frozen=True)
class ToyKeyset:
    number: int = 1

    scheme: ClassVar[str] = "toy"
    is_universal: ClassVar[bool] = False
    evaluation_keys_bytes: ClassVar[int] = KEYS_BYTES

    @property
    def name(self):
        return hashlib.sha256(b"toy %d" % self.number).digest()


@dataclass(frozen=True)
class ToyParameters:
    keyset: ToyKeyset = ToyKeyset()
    input_bits: int = BITS

    scheme: ClassVar[str] = "toy"
    p_error: ClassVar[float] = 2.0**-64
    inputs: ClassVar[int] = SIZE
    outputs: ClassVar[int] = SIZE
    output_bits: ClassVar[int] = BITS + 1
    most_further_bits: ClassVar[int] = 0
    row_bytes: ClassVar[int] = 16 + 8 * SIZE
    answer_bytes: ClassVar[int] = 16 * SIZE
    key_memory_bytes: ClassVar[int] = KEYS_BYTES

    def check_input(self, message):
        return EncryptedTensor.from_message(message).to_bytes()

    def check_output(self, message):
        EncryptedTensor.from_message(message).ciphertexts(SIZE, 1)

    def pinned_facts(self):
        return {"keyset": self.keyset.name.hex()}

    def write(self, message):
        """There is no wire for it."""

    @classmethod
    def read(cls, message):
        return None


class ToyScheme:
    scheme: ClassVar[str] = "toy"

    def check_keyset(self, keyset, *, security_bits):
        if security_bits not in (128, 132):
            raise InvalidInputError(f"security_bits is {security_bits}, expected one of 128, 132")
        if not keyset.number:
            raise WeakParametersError("keyset 0 is weak")

    def check_parameters(self, parameters, *, security_bits):
        self.check_keyset(parameters.keyset, security_bits=security_bits)

    def keyset_to_bytes(self, keyset):
        return bytes([keyset.number])

    def keyset_from_bytes(self, data):
        if len(data) != 1:
            raise MalformedMessageError(f"toy keyset of {len(data)} bytes, expected 1")
        return ToyKeyset(data[0])

    def generate(self, keyset):
        return np.frombuffer(os.urandom(8), np.uint64).copy()

    def pack(self, keyset, material):
        return np.frombuffer(material.astype("<u8").tobytes(), np.uint8).copy()

    def unpack(self, keyset, packed):
        if len(packed) != 8:
            raise MalformedMessageError(f"{len(packed)} bytes of keys, expected 8")
        return np.frombuffer(packed, "<u8").astype(np.uint64)

    def erase(self, material):
        material.fill(0)

    def evaluation_keys(self, keyset, material, *, threads):
        seed = os.urandom(16)
        yield seed
        yield self._made(seed, material)

    def owns(self, keyset, material, file):
        seed = file.read(16)
        return file.read(8) == self._made(seed, material)[:8]

    def intact(self, keyset, material, file, *, threads):
        seed = file.read(16)
        return file.read() == self._made(seed, material)

    def encrypt(self, parameters, material, values):
        seed = os.urandom(16)
        masks = MaskStream(seed).words(0, values.size)
        return EncryptedTensor(masks * material[0] + (values.astype(np.uint64) << SHIFT), seed=seed)

    def decrypt(self, parameters, material, tensor, *, further_bits):
        words = tensor.ciphertexts(SIZE, 1)
        phases = words[:, 1] - words[:, 0] * material[0]
        return (phases >> SHIFT).astype(np.int64) % (1 << parameters.output_bits)

    def read_tensor(self, message):
        return EncryptedTensor.from_message(message)

    def _made(self, seed, material):
        return (MaskStream(seed).words(0, (KEYS_BYTES - 16) // 8) * material[0]).astype("<u8").tobytes()


CLIENT_SCHEME = ToyScheme


def make_spec(keyset=None, size=SIZE):
    return ClientSpec(
        model_name="toy",
        features=tuple(AffineEncoder(f"x{index}", 0.0, 1.0, 1 << BITS) for index in range(size)),
        parameters=ToyParameters(keyset or ToyKeyset()),
        decoder=Decoder(Link.IDENTITY, (0,) * SIZE, 1.0, (0.0,) * SIZE),
    )


OTHER_KEYSET = ToyKeyset(2)
MATRIX = np.eye(SIZE, dtype=np.int64) + np.eye(SIZE, k=1, dtype=np.int64)


def evaluate(tensor):
    """MATRIX times the row, under encryption."""
    return EncryptedTensor.from_ciphertexts(MATRIX.astype(np.uint64) @ tensor.ciphertexts(SIZE, 1))
