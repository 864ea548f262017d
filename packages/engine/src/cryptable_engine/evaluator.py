"""Evaluates compiled programs on encrypted tensors."""

from __future__ import annotations

import mmap
import os
from pathlib import Path

from cryptable_protocol import EncryptedTensor, InvalidInputError, KeysetParameters, MalformedMessageError

from cryptable_engine.concrete_messages import keyset_message, read_value, value_message
from cryptable_engine.linear_program import LinearProgram
from cryptable_engine.mlir import FUNCTION
from cryptable_engine.native import NativeCircuit, NativeKeys
from cryptable_engine.program import Program

KeysSource = str | os.PathLike[str] | bytes | memoryview


class ServerKeys:
    """A client's evaluation keys, ready for use with every program of the same keyset.

    Their first evaluation expands them (about a second, and some times their size in memory): keep the object.
    """

    def __init__(self, keyset: KeysetParameters, data: memoryview) -> None:
        _check_length(len(data), keyset)
        self.keyset_name = keyset.name
        self.native = NativeKeys(keyset_message(keyset, data))


class Evaluator:
    """Evaluates one program. Thread-safe; the native code runs without Python's global lock."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._linear = LinearProgram.load(program)
        self._circuit = NativeCircuit(program.directory, FUNCTION)
        self._input_dimension = program.keyset.dimensions[program.input.key]
        self._output_dimension = program.keyset.dimensions[program.output.key]
        self._no_keys = None if program.keyset.evaluation_keys_bytes else ServerKeys(program.keyset, memoryview(b""))

    def load_keys(self, source: KeysSource) -> ServerKeys:
        """Evaluation keys from a file or from memory (protos/SPEC.md, "Evaluation keys").

        Args:
            source: a path, or the bytes.

        Raises:
            MalformedMessageError: not of exactly the keyset's length.
            OSError: the file cannot be read.
        """
        if isinstance(source, (bytes, memoryview)):
            return ServerKeys(self.program.keyset, memoryview(source))
        path = Path(source)
        size = path.stat().st_size
        _check_length(size, self.program.keyset)
        if not size:  # nothing that could be mapped
            return ServerKeys(self.program.keyset, memoryview(b""))
        with (
            path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
            memoryview(mapped) as data,
        ):
            return ServerKeys(self.program.keyset, data)

    def evaluate(self, tensor: EncryptedTensor, keys: ServerKeys | None = None) -> EncryptedTensor:
        """The encrypted result for one encrypted row.

        Args:
            tensor: as the program's input type says.
            keys: of the client that encrypted `tensor`; None where the program needs none.

        Returns:
            Ciphertexts as the program's output type says, with explicit masks.

        Raises:
            MalformedMessageError: the tensor has another size or dimension.
            InvalidInputError: no keys, or keys of another keyset.
            EvaluationError: the native code failed.
        """
        program = self.program
        keys = keys or self._no_keys
        if keys is None:
            raise InvalidInputError("this program needs evaluation keys; load them with Evaluator.load_keys")
        if keys.keyset_name != program.keyset.name:
            raise InvalidInputError("these evaluation keys are of another keyset than the program's")
        if self._linear is not None:
            return EncryptedTensor.from_ciphertexts(self._linear.evaluate(tensor))
        words = tensor.ciphertexts(program.input.size, self._input_dimension)
        message = value_message(words, program.input, self._input_dimension)
        result = self._circuit.call(message, keys.native)
        return EncryptedTensor.from_ciphertexts(read_value(result, program.output.size, self._output_dimension))


def _check_length(length: int, keyset: KeysetParameters) -> None:
    if length != keyset.evaluation_keys_bytes:
        raise MalformedMessageError(
            f"evaluation keys of {length} bytes, this keyset has {keyset.evaluation_keys_bytes}; "
            "make keys for this model's client spec"
        )
