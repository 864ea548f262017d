"""Evaluates compiled programs on encrypted tensors."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from cryptable_protocol import EncryptedTensor, InternalError, InvalidInputError, KeysetParameters

from cryptable_engine.schemes.bootstrapped.bootstrapping.keys import BootstrappingKeys
from cryptable_engine.schemes.bootstrapped.concrete.messages import keyset_message, read_value, value_message
from cryptable_engine.schemes.bootstrapped.concrete.mlir import FUNCTION
from cryptable_engine.schemes.bootstrapped.concrete.native import NativeCircuit, NativeKeys
from cryptable_engine.schemes.bootstrapped.linear_program import LinearProgram
from cryptable_engine.schemes.bootstrapped.lookup_program import LookupProgram
from cryptable_engine.schemes.bootstrapped.program import BootstrappedProgram, EvaluationKind
from cryptable_engine.schemes.trimming import trimming


class ReadyKeys:
    """A client's evaluation keys: in the Fourier domain, or as Concrete has them where it evaluates.

    Of a keyset without keys, as sums have, there is nothing to make ready, and concrete-python need not be installed.

    Args:
        keyset: the program's.
        data: of exactly its length (protos/SPEC.md, "Evaluation keys"); not kept.
        native: as Concrete has them.
    """

    def __init__(self, keyset: KeysetParameters, data: memoryview, *, native: bool = False) -> None:
        self.bootstrapping: BootstrappingKeys | None = None
        self.native: NativeKeys | None = None
        if native:
            self.native = NativeKeys(keyset_message(keyset, data))
        elif data:
            self.bootstrapping = BootstrappingKeys(keyset, data)


class BootstrappedEvaluator:
    """Evaluates one program, as its `evaluation` says. Thread-safe.

    Args:
        program: of this scheme.
        native: as Concrete has compiled it in any case.

    Raises:
        EvaluationError: Concrete cannot load it.
        InvalidInputError: `native`, where Concrete has compiled nothing.
        UnsupportedProgramError: what is stored beside it is damaged.
    """

    def __init__(self, program: BootstrappedProgram, *, native: bool = False) -> None:
        if native and not program.is_native:
            raise InvalidInputError("Concrete has not compiled this circuit: compile it with native=True")
        self._program = program
        self._linear = self._lookups = self._circuit = None
        match EvaluationKind.CONCRETE if native else program.evaluation:
            case EvaluationKind.LINEAR:
                self._linear = LinearProgram.load(program)
            case EvaluationKind.LOOKUPS:
                self._lookups = LookupProgram.load(program)
            case EvaluationKind.CONCRETE:
                self._circuit = NativeCircuit(program.directory, FUNCTION)

    def make_ready(self, data: memoryview) -> ReadyKeys:
        """Evaluation keys, expanded, to some times their size, for about a second."""
        return ReadyKeys(self._program.keyset, data, native=self._circuit is not None)

    def evaluate_row(self, row: bytes, keys: object) -> bytes:
        """A row and its answer as they travel; see `SchemeEvaluator`."""
        result = self.evaluate(EncryptedTensor.from_bytes(row), keys)
        with trimming():
            return result.trimmed(self._program.bootstrapped.word_bits).to_bytes()

    def evaluate(self, tensor: EncryptedTensor, keys: object) -> EncryptedTensor:
        """The encrypted result for one encrypted row, with explicit masks and whole words."""
        if self._linear is not None:
            result = self._linear.evaluate(tensor)
        elif not isinstance(keys, ReadyKeys):
            raise InternalError(f"keys of class {type(keys).__name__}, expected what make_ready gives")
        elif self._lookups is not None and keys.bootstrapping is not None:
            result = self._lookups.evaluate(tensor, keys.bootstrapping)
        else:
            result = self._evaluate_natively(tensor, keys)
        return EncryptedTensor.from_ciphertexts(result)

    def _evaluate_natively(self, tensor: EncryptedTensor, keys: ReadyKeys) -> npt.NDArray[np.uint64]:
        """By Concrete's compiled program."""
        program = self._program
        if self._circuit is None or keys.bootstrapping is not None:
            raise InternalError("an evaluator and its keys are of two kinds")
        native = keys.native or NativeKeys(keyset_message(program.keyset, memoryview(b"")))
        words = tensor.ciphertexts(program.input.size, program.keyset.dimensions[program.input.key])
        result = self._circuit.call(value_message(words, program.input, words.shape[1] - 1), native)
        return read_value(result, program.output.size, program.keyset.dimensions[program.output.key])
