"""BootstrappedParameters: keyset, input and output of a model whose lookups are bootstrappings, or that has none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from cryptable_protocol import limits
from cryptable_protocol.errors import MalformedMessageError
from cryptable_protocol.messages import client_spec as pb
from cryptable_protocol.messages import tensor as tensor_pb
from cryptable_protocol.schemes.bootstrapped.keyset import CiphertextType, KeysetParameters
from cryptable_protocol.schemes.bootstrapped.mask_stream import SEED_BYTES
from cryptable_protocol.schemes.bootstrapped.readable import widest_output
from cryptable_protocol.schemes.bootstrapped.tensor import EncryptedTensor
from cryptable_protocol.schemes.bootstrapped.trimming import answer_word_bits
from cryptable_protocol.schemes.scheme import BOOTSTRAPPED, SchemeParameters, scheme_parameters

_WORD_BITS, _WORD_BYTES = 64, 8


@scheme_parameters
@dataclass(frozen=True)
class BootstrappedParameters:
    """Which keys, which ciphertexts in, which out, and how rarely a lookup or the reading of the result fails."""

    keyset: KeysetParameters
    input: CiphertextType
    output: CiphertextType
    p_error: float

    scheme: ClassVar[str] = BOOTSTRAPPED

    def __post_init__(self) -> None:
        for what, tensor in (("input", self.input), ("output", self.output)):
            if tensor.key not in self.keyset.dimensions:
                raise MalformedMessageError(
                    f"client spec: {what} tensor under secret key {tensor.key}, which does not exist"
                )
        if self.output.variance != 0.0:
            raise MalformedMessageError("client spec: an output tensor has no variance of its own")
        if 0.0 < self.p_error < 1.0:  # others are refused by the client spec
            widest = widest_output(self.keyset, self.input, self.output.key, self.p_error)
            if self.output.width > widest:
                raise MalformedMessageError(
                    f"client spec: an output of {self.output.width} bits, at most {widest} can be told from noise"
                )

    @property
    def inputs(self) -> int:
        """Integers of a row."""
        return self.input.size

    @property
    def input_bits(self) -> int:
        """Bits of each."""
        return self.input.width

    @property
    def outputs(self) -> int:
        """Integers of an answer."""
        return self.output.size

    @property
    def output_bits(self) -> int:
        """Bits of each."""
        return self.output.width

    @property
    def most_further_bits(self) -> int:
        """Noisy bits below an output's that may be read."""
        return max(0, limits.MAX_FURTHER_WIDTH - self.output.width)

    @property
    def row_bytes(self) -> int:
        """A body a ciphertext; their masks come from the seed."""
        return self.input.size * _WORD_BYTES

    @cached_property
    def word_bits(self) -> int:
        """Bits of an answer's word (protos/SPEC.md, "EncryptedTensor")."""
        return answer_word_bits(self.output.width, self.output_dimension, self.p_error)

    @property
    def output_dimension(self) -> int:
        """LWE dimension of an answer's ciphertexts."""
        return self.keyset.dimensions[self.output.key]

    @cached_property
    def answer_bytes(self) -> int:
        """Words of an answer, in bytes: masks and bodies, each packed by itself."""
        size = self.output.size
        return sum((words * self.word_bits + 7) // 8 for words in (size * self.output_dimension, size))

    @property
    def row_message_bytes(self) -> int:
        """With the seed, framed."""
        return len(EncryptedTensor(np.zeros(self.input.size, np.uint64), seed=bytes(SEED_BYTES)).to_bytes())

    @property
    def answer_message_bytes(self) -> int:
        """Framed."""
        words = np.zeros((self.output.size, self.output_dimension + 1), np.uint64)
        return len(EncryptedTensor.from_ciphertexts(words).trimmed(self.word_bits).to_bytes())

    @property
    def key_memory_bytes(self) -> int:
        """Estimate of a client's keys in a worker."""
        return self.keyset.memory_bytes

    def check_input(self, message: tensor_pb.EncryptedTensor) -> bytes:
        """A row's canonical bytes, if it is a seeded tensor of the input's size."""
        tensor = EncryptedTensor.from_message(message)
        if tensor.seed is None:
            raise MalformedMessageError("encrypted tensor: masks are given, expected a seed")
        if tensor.bodies.shape != (self.input.size,):
            raise MalformedMessageError(
                f"encrypted tensor: {tensor.bodies.size} ciphertexts, expected {self.input.size}"
            )
        return tensor.to_bytes()

    def check_output(self, message: tensor_pb.EncryptedTensor) -> None:
        """Whether an answer has as many bytes as its words take, at as many bits as they are to have."""
        is_trimmed = self.word_bits < _WORD_BITS
        masks = message.trimmed if is_trimmed else message.explicit
        size, bodies = len(masks) + len(message.bodies), (self.output.size * self.word_bits + 7) // 8
        if size != self.answer_bytes or len(message.bodies) != bodies:
            raise MalformedMessageError(f"a result of {size} bytes, expected {self.answer_bytes}")
        if message.word_bits != (self.word_bits if is_trimmed else 0):
            raise MalformedMessageError(f"a result in words of {message.word_bits} bits, expected {self.word_bits}")

    def pinned_facts(self) -> Mapping[str, object]:
        """What decides over the keys: which, how noisy what they encrypt, how rarely it fails, how much is read."""
        return {
            "keyset": self.keyset.name.hex(),
            "input key": self.input.key,
            "input variance": self.input.variance,
            "output key": self.output.key,
            "output width": self.output.width,
            "p_error": self.p_error,
        }

    def write(self, message: pb.ClientSpec) -> None:
        """Fill the fields of the first version, which have no message of their own around them."""
        message.keyset.CopyFrom(self.keyset.to_message())
        message.input.CopyFrom(self.input.to_message())
        message.output.CopyFrom(self.output.to_message())
        message.p_error = self.p_error

    @classmethod
    def read(cls, message: pb.ClientSpec) -> SchemeParameters | None:
        """From the fields of the first version."""
        for part in ("keyset", "input", "output"):
            if not message.HasField(part):
                raise MalformedMessageError(f"client spec: no {part}")
        return cls(
            KeysetParameters.from_message(message.keyset),
            CiphertextType.from_message(message.input),
            CiphertextType.from_message(message.output),
            message.p_error,
        )
