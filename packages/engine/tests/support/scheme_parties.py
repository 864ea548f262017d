"""For each scheme a client, as the suite of all schemes needs one: keys, rows and answers as they travel."""

from __future__ import annotations

import io
from typing import Protocol

import clear_client
import numpy as np
import numpy.typing as npt
from clear_parameters import CLEAR, ClearParameters
from cryptable_client import SecretKeys, decrypt, encrypt, write_evaluation_keys
from cryptable_engine import Program
from cryptable_protocol import AffineEncoder, ClientSpec, Decoder, EncryptedTensor, Link


class Party(Protocol):
    """A client with keys for a program."""

    evaluation_keys: bytes

    def encrypt(self, values: npt.NDArray[np.int64]) -> bytes:
        """A row, shape (inputs,)."""

    def decrypt(self, answer: bytes) -> npt.NDArray[np.int64]:
        """An answer, shape (outputs,)."""


def spec_of(program: Program) -> ClientSpec:
    """A specification with those parameters; what its encoders are, the suite does not mind."""
    parameters = program.parameters
    encoders = (
        AffineEncoder(f"x{index}", 0.0, 1.0, 2**parameters.input_bits - 1) for index in range(parameters.inputs)
    )
    decoder = Decoder(Link.IDENTITY, (0,) * parameters.outputs, 1.0, (0.0,) * parameters.outputs)
    return ClientSpec(model_name="contract", features=tuple(encoders), parameters=parameters, decoder=decoder)


class _Bootstrapped:
    def __init__(self, program: Program) -> None:
        self._spec = spec_of(program)
        self._keys = SecretKeys.generate(self._spec)
        file = io.BytesIO()
        if self._spec.keyset.evaluation_keys_bytes:
            write_evaluation_keys(self._keys, file)
        self.evaluation_keys = file.getvalue()

    def encrypt(self, values: npt.NDArray[np.int64]) -> bytes:
        return encrypt(self._spec, self._keys, values).to_bytes()

    def decrypt(self, answer: bytes) -> npt.NDArray[np.int64]:
        return decrypt(self._spec, self._keys, EncryptedTensor.from_bytes(answer))


class _Clear:
    def __init__(self, program: Program) -> None:
        assert isinstance(program.parameters, ClearParameters)
        self._parameters = program.parameters
        self.evaluation_keys = clear_client.evaluation_keys(self._parameters)

    def encrypt(self, values: npt.NDArray[np.int64]) -> bytes:
        return clear_client.write_row(self._parameters, values)

    def decrypt(self, answer: bytes) -> npt.NDArray[np.int64]:
        return clear_client.read_answer(self._parameters, answer)


PARTIES = {"bootstrapped": _Bootstrapped, CLEAR: _Clear}
"""By the scheme's name. A scheme without one fails the suite."""
