"""Evaluates compiled programs on encrypted tensors."""

from __future__ import annotations

import mmap
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
from cryptable_protocol import (
    EncryptedTensor,
    InternalError,
    InvalidInputError,
    KeysetParameters,
    MalformedMessageError,
)

from cryptable_engine.schemes.bootstrapped.bootstrapping import BootstrappingKeys, supports
from cryptable_engine.schemes.bootstrapped.concrete.messages import keyset_message, read_value, value_message
from cryptable_engine.schemes.bootstrapped.concrete.mlir import FUNCTION
from cryptable_engine.schemes.bootstrapped.concrete.native import NativeCircuit, NativeKeys
from cryptable_engine.schemes.bootstrapped.linear_program import LinearProgram
from cryptable_engine.schemes.bootstrapped.lookup_program import LookupProgram
from cryptable_engine.schemes.bootstrapped.program import Program

KeysSource = str | os.PathLike[str] | bytes | memoryview


class ServerKeys:
    """A client's evaluation keys, ready for use with every program of the same keyset.

    They are expanded, for about a second, to some times their size: keep the object.

    Args:
        keyset: the program's.
        data: protos/SPEC.md, "Evaluation keys"; not kept.
        native: for an evaluator that is told so.

    Raises:
        MalformedMessageError: not of exactly the keyset's length.
    """

    def __init__(self, keyset: KeysetParameters, data: memoryview, *, native: bool = False) -> None:
        _check_length(len(data), keyset)
        self.keyset_name = keyset.name
        self.bootstrapping: BootstrappingKeys | None = None
        self.native: NativeKeys | None = None
        if supports(keyset) and not native:
            self.bootstrapping = BootstrappingKeys(keyset, data)
        else:
            self.native = NativeKeys(keyset_message(keyset, data))


class Evaluator:
    """Evaluates one program. Thread-safe; lookups are computed without Python's global lock.

    Circuits under one bootstrap key, or under none, are evaluated node by node; others as Concrete has compiled them.

    Args:
        program: as `compile_circuit` made it, or `Program.load` read it.
        native: as Concrete has compiled it in any case: slower, and an oracle for tests.

    Raises:
        EvaluationError: Concrete cannot load it.
        InvalidInputError: `native`, where Concrete has compiled nothing: see `compile_circuit`.
    """

    def __init__(self, program: Program, *, native: bool = False) -> None:
        if native and not program.is_native:
            raise InvalidInputError("Concrete has not compiled this circuit: compile it with native=True")
        self.program, self._native = program, native
        self._linear = None if native else LinearProgram.load(program)
        self._lookups = None if native else LookupProgram.load(program)
        in_native_code = self._linear is None and self._lookups is None
        self._circuit = NativeCircuit(program.directory, FUNCTION) if in_native_code else None
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
            return self._server_keys(memoryview(source))
        path = Path(source)
        size = path.stat().st_size
        _check_length(size, self.program.keyset)
        if not size:  # nothing that could be mapped
            return self._server_keys(memoryview(b""))
        with (
            path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
            memoryview(mapped) as data,
        ):
            return self._server_keys(data)

    def _server_keys(self, data: memoryview) -> ServerKeys:
        return ServerKeys(self.program.keyset, data, native=self._native)

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
            result = self._linear.evaluate(tensor)
        elif self._lookups is not None and keys.bootstrapping is not None:
            result = self._lookups.evaluate(tensor, keys.bootstrapping)
        else:
            result = self._evaluate_natively(tensor, keys)
        return EncryptedTensor.from_ciphertexts(result)

    def _evaluate_natively(self, tensor: EncryptedTensor, keys: ServerKeys) -> npt.NDArray[np.uint64]:
        """By Concrete's compiled program."""
        program = self.program
        if self._circuit is None or keys.native is None:
            raise InternalError("an evaluator and its keys are of two kinds")
        words = tensor.ciphertexts(program.input.size, program.keyset.dimensions[program.input.key])
        result = self._circuit.call(value_message(words, program.input, words.shape[1] - 1), keys.native)
        return read_value(result, program.output.size, program.keyset.dimensions[program.output.key])


def _check_length(length: int, keyset: KeysetParameters) -> None:
    if length != keyset.evaluation_keys_bytes:
        raise MalformedMessageError(
            f"evaluation keys of {length} bytes, this keyset has {keyset.evaluation_keys_bytes}; "
            "make keys for this model's client spec"
        )
