"""The scheme `clear`, of tests: parameters of a model whose rows and answers anybody can read.

Nothing encrypts, nothing needs a compiler, and evaluation keys are a few bytes of anything. It is no part of the
product: no message has a field for it, no package has it, and nothing but `clear_is_known`, in a process that a test
has started, makes a reader know it. On the wire it looks like a model of the scheme `bootstrapped` with one secret key
of one bit, which every client refuses as insecure, and every server as another program than its circuit compiles to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import ClassVar

from cryptable_protocol import CiphertextType, KeysetParameters, KeyswitchKeyParameters, SecretKeyParameters
from cryptable_protocol.messages import client_spec as pb
from cryptable_protocol.messages import tensor as tensor_pb
from cryptable_protocol.schemes import scheme as schemes
from cryptable_protocol.schemes.bootstrapped.parameters import BootstrappedParameters
from cryptable_protocol.schemes.scheme import SchemeParameters, scheme_parameters

CLEAR = "clear"
ONE_BIT = SecretKeyParameters(0, 1)
KEYS_OF_LOOKUPS = 16
"""Keyswitch keys of a model with lookups, which make 8448 bytes to upload."""
_LEVELS = 64
_KEY_MEMORY_BYTES = 1 << 20


@dataclass(frozen=True)
class ClearKeyset:
    """What a client uploads, as a keyset of the scheme `bootstrapped` would say it."""

    message: KeysetParameters

    scheme: ClassVar[str] = CLEAR
    is_universal: ClassVar[bool] = False

    @classmethod
    def of(cls, keys: int) -> ClearKeyset:
        """With so many keys to upload, of 528 bytes each; none where it is 0."""
        found = (KeyswitchKeyParameters(number, 0, 0, _LEVELS, 1, 0.0) for number in range(keys))
        return cls(KeysetParameters((ONE_BIT,), (), tuple(found)))

    @property
    def name(self) -> bytes:
        """See `Keyset`."""
        return self.message.name

    @property
    def evaluation_keys_bytes(self) -> int:
        """See `Keyset`."""
        return self.message.evaluation_keys_bytes


@dataclass(frozen=True)
class ClearParameters:
    """See `SchemeParameters`. Rows and answers have the form of the scheme `bootstrapped`, with masks of zero."""

    message: BootstrappedParameters

    scheme: ClassVar[str] = CLEAR

    @classmethod
    def of(
        cls, *, inputs: int, input_bits: int, outputs: int, output_bits: int, p_error: float, keys: int
    ) -> ClearParameters:
        """Of a model of that many integers of so many bits, and `keys` keys to upload (`ClearKeyset.of`)."""
        given, returned = CiphertextType(inputs, 0, input_bits, 0.0), CiphertextType(outputs, 0, output_bits, 0.0)
        return cls(BootstrappedParameters(ClearKeyset.of(keys).message, given, returned, p_error))

    @property
    def keyset(self) -> ClearKeyset:
        return ClearKeyset(self.message.keyset)

    @property
    def p_error(self) -> float:
        return self.message.p_error

    @property
    def key_memory_bytes(self) -> int:
        return _KEY_MEMORY_BYTES if self.keyset.evaluation_keys_bytes else 0

    @property
    def inputs(self) -> int:
        return self.message.inputs

    @property
    def input_bits(self) -> int:
        return self.message.input_bits

    @property
    def outputs(self) -> int:
        return self.message.outputs

    @property
    def output_bits(self) -> int:
        return self.message.output_bits

    @property
    def most_further_bits(self) -> int:
        return 0

    @property
    def row_bytes(self) -> int:
        return self.message.row_bytes

    @property
    def answer_bytes(self) -> int:
        return self.message.answer_bytes

    @property
    def row_message_bytes(self) -> int:
        return self.message.row_message_bytes

    @property
    def answer_message_bytes(self) -> int:
        return self.message.answer_message_bytes

    def check_input(self, message: tensor_pb.EncryptedTensor) -> bytes:
        return self.message.check_input(message)

    def check_output(self, message: tensor_pb.EncryptedTensor) -> None:
        self.message.check_output(message)

    def pinned_facts(self) -> Mapping[str, object]:
        return {"keyset": self.keyset.name.hex(), "p_error": self.p_error}

    def write(self, message: pb.ClientSpec) -> None:
        self.message.write(message)

    @classmethod
    def read(cls, message: pb.ClientSpec) -> SchemeParameters | None:
        """One secret key of one bit, in a keyset of the scheme `bootstrapped`, is what nobody else has."""
        if [key.dimension for key in message.keyset.secret_keys] != [1]:
            return None
        found = BootstrappedParameters.read(message)
        return cls(found) if isinstance(found, BootstrappedParameters) else None

    def weaker(self, **changes: object) -> ClearParameters:
        """With other facts of the message: for tests of what does not fit together."""
        return replace(self, message=replace(self.message, **changes))


@contextmanager
def clear_is_known() -> Iterator[None]:
    """Until the block ends, specifications of one secret bit are read as those of this scheme in this process."""
    is_new = CLEAR not in schemes._KINDS
    scheme_parameters(ClearParameters)
    try:
        yield
    finally:
        if is_new:
            schemes._KINDS.pop(CLEAR)
