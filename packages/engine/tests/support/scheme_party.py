"""A client of whichever scheme, as the suite of all schemes needs one: keys, rows and answers as they travel."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
from cryptable_client import SecretKeys, decrypt, encrypt, write_evaluation_keys
from cryptable_client.schemes.scheme import read_tensor
from cryptable_engine import Program
from cryptable_protocol import AffineEncoder, ClientSpec, Decoder, Link, ThermometerEncoder
from cryptable_protocol.messages import tensor as pb


def spec_of(program: Program) -> ClientSpec:
    """A specification with a program's parameters; what its encoders are, the suite does not mind."""
    parameters = program.parameters
    maximum = 2**parameters.input_bits - 1
    names = (f"x{index}" for index in range(parameters.inputs))
    encoders = (
        ThermometerEncoder(name, (0.0,)) if maximum == 1 else AffineEncoder(name, 0.0, 1.0, maximum) for name in names
    )
    decoder = Decoder(Link.IDENTITY, (0,) * parameters.outputs, 1.0, (0.0,) * parameters.outputs)
    return ClientSpec(model_name="contract", features=tuple(encoders), parameters=parameters, decoder=decoder)


class Party:
    """A client with keys for a program."""

    def __init__(self, program: Program) -> None:
        self._spec = spec_of(program)
        self._keys = SecretKeys.generate(self._spec)
        file = io.BytesIO()
        if program.parameters.keyset.evaluation_keys_bytes:
            write_evaluation_keys(self._keys, file)
        self.evaluation_keys = file.getvalue()

    def for_program(self, program: Program) -> Party:
        """The same keys, for another program of their keyset."""
        other = object.__new__(Party)
        other._spec, other._keys, other.evaluation_keys = spec_of(program), self._keys, self.evaluation_keys
        return other

    def close(self) -> None:
        """Overwrite the secret keys."""
        self._keys.close()

    def encrypt(self, values: npt.NDArray[np.int64]) -> bytes:
        """A row, shape (inputs,)."""
        data: bytes = encrypt(self._spec, self._keys, values).to_bytes()
        return data

    def decrypt(self, answer: bytes) -> npt.NDArray[np.int64]:
        """An answer, shape (outputs,): of rows in bulk, the first one's."""
        found = decrypt(self._spec, self._keys, read_tensor(self._spec, pb.EncryptedTensor.FromString(answer)))
        return found if found.ndim == 1 else found[0]
