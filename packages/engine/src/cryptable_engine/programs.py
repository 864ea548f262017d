"""Circuits to programs, programs to evaluators: by the scheme that a program's record names."""

from __future__ import annotations

import mmap
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy.typing as npt
from cryptable_protocol import ClientSpec, CompileOptions, EncryptedTensor, InvalidInputError, MalformedMessageError
from cryptable_protocol.schemes.parts import parts_of
from cryptable_protocol.schemes.scheme import SchemeParameters

from cryptable_engine.circuit.circuit import Circuit, IntArray
from cryptable_engine.circuit.interpreter import checked_rows
from cryptable_engine.circuit.verifier import verify
from cryptable_engine.errors import ProgramMismatchError
from cryptable_engine.schemes.scheme import (
    CompileLimits,
    FileEvaluator,
    PartedEvaluator,
    Program,
    SchemeEvaluator,
    find_scheme,
    mismatch,
)

KeysSource = str | os.PathLike[str] | bytes | memoryview


def compile_circuit(
    circuit: Circuit,
    options: CompileOptions,
    directory: str | Path,
    *,
    promised: SchemeParameters | None = None,
    catalogue: bool = False,
    native: bool = False,
    limits: CompileLimits | None = None,
) -> Program:
    """Compile `circuit` into `directory`.

    Args:
        circuit: any; it is verified here, and again by the child process where Concrete compiles it.
        options: scheme, failure probability and security level, and the keyset where it is fixed already.
        directory: where the program is to be: new or empty. Written whole or not at all.
        promised: of an artifact, its client spec's parameters, which its clients have keys for. They decide over the
            kind of keys, whatever this version would choose, and are compared with what was made.
        catalogue: where `options` name no keyset, take one that many models share if that costs little more than the
            cheapest (of bootstrapped programs, `catalogue.MAX_FACTOR`). The result's `keyset_entry` says which.
        native: have Concrete compile it in any case: more expensive, and an oracle for tests.
        limits: of Concrete's compiling process; the default suits circuits of some thousand lookups.

    Raises:
        CircuitError: the verifier refuses the circuit, or the scheme cannot evaluate it.
        InvalidInputError: `directory` is not empty.
        CompilationError: no parameters were found, or the compiler failed or went beyond a limit; the message says what
            to do.
        ProgramMismatchError: it does not compile to what was promised; names the parameter that differs.
    """
    found = verify(circuit)
    scheme = find_scheme(options.scheme)
    if promised is not None and promised.scheme != scheme.name:
        raise mismatch("scheme", scheme.name, promised.scheme)
    if promised is not None and promised.p_error != options.p_error:
        raise mismatch("p_error", options.p_error, promised.p_error)
    scheme.check(circuit, found)
    directory = Path(directory).absolute()
    program = scheme.compile(
        circuit,
        found,
        options,
        directory,
        promised=promised,
        catalogue=catalogue,
        native=native,
        limits=limits or CompileLimits(),
    )
    if promised is not None:
        try:
            program.check_parameters(promised)
        except ProgramMismatchError:
            shutil.rmtree(directory)
            raise
    return program


def what_to_warn_of(circuit: Circuit, spec: ClientSpec) -> str | None:
    """Of a model that an earlier version compiled, what whoever runs it must know; None where there is nothing.

    Args:
        circuit: verified, with `spec`.
        spec: of the model.

    Raises:
        UnsupportedProgramError: it is of a scheme that this version does not know.
    """
    return find_scheme(spec.scheme).what_to_warn_of(circuit, spec)


def simulate(
    circuit: Circuit,
    options: CompileOptions,
    values: npt.ArrayLike,
    *,
    program: Program | None = None,
    limits: CompileLimits | None = None,
) -> IntArray:
    """Compute each row on clear values with the noise that its ciphertexts would have.

    The result is `interpret`'s but for failures of probability `options.p_error`, and for lookups that drop bits, which
    may read a neighbour. What a client reads of it, with the noise of that, is `circuit.readout`'s.

    Args:
        circuit: any; it is verified.
        options: as for `compile_circuit`.
        values: integers of shape (rows, input size), as honest encoders make them.
        program: what the circuit was compiled to. Without it, the circuit is compiled for simulation.
        limits: of the compiling process.

    Returns:
        Integers of shape (rows, output size).

    Raises:
        CircuitError, CompilationError: as `compile_circuit`.
        InvalidInputError: as `interpret`.
        EvaluationError: the native code failed.
    """
    found = verify(circuit)
    scheme = find_scheme(options.scheme)
    scheme.check(circuit, found)
    rows = checked_rows(circuit.input, values)
    return scheme.simulate(circuit, options, rows, program=program, limits=limits or CompileLimits())


@dataclass(frozen=True, eq=False)
class ServerKeys:
    """A client's evaluation keys, ready for use with every program of the same keyset: see `Evaluator.load_keys`.

    Made ready they take some times their size, and of the scheme `bootstrapped` about a second: keep the object.
    """

    keyset_name: bytes
    ready: object
    """As the scheme's evaluators take them."""


@runtime_checkable
class _TensorEvaluator(SchemeEvaluator, Protocol):
    """What also takes a row that has been read, and gives an answer that has not been trimmed yet."""

    def evaluate(self, tensor: EncryptedTensor, keys: object) -> EncryptedTensor:
        """As `Evaluator.evaluate`."""


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
        self.program = program
        self._evaluator = find_scheme(program.scheme).evaluator(program, native=native)
        needs_keys = program.parameters.keyset.evaluation_keys_bytes
        self._no_keys = None if needs_keys else self._server_keys(memoryview(b""), None)

    def load_keys(self, source: KeysSource, *, part: int | None = None) -> ServerKeys:
        """Evaluation keys from a file or from memory (protos/SPEC.md, "Evaluation keys").

        Args:
            source: a path, or the bytes.
            part: of rows, which they are made ready for, as by `prepare`; None: for all.

        Raises:
            MalformedMessageError: not of exactly the keyset's length.
            OSError: the file cannot be read.
        """
        if isinstance(source, (bytes, memoryview)):
            self._check_length(len(source))
            return self._server_keys(memoryview(source), part)
        path = Path(source)
        size = path.stat().st_size
        self._check_length(size)
        if not size:  # nothing that could be mapped
            return self._server_keys(memoryview(b""), part)
        with (
            path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
            memoryview(mapped) as data,
        ):
            self._check_length(len(data))
            return self._server_keys(data, part)

    def prepare(self, keys: ServerKeys, part: int | None = None) -> bool:
        """Have what a part of a row needs of loaded keys, or a whole row; False where that was there already.

        Raises:
            InvalidInputError: keys of another keyset.
            EvaluationError: the native code refuses the keys.
        """
        ready = self._checked(keys)
        return isinstance(self._evaluator, PartedEvaluator) and self._evaluator.prepare(ready, part)

    def _check_length(self, length: int) -> None:
        expected = self.program.parameters.keyset.evaluation_keys_bytes
        if length != expected:
            raise MalformedMessageError(
                f"evaluation keys of {length} bytes, this keyset has {expected}; make keys for this model's client spec"
            )

    def _server_keys(self, data: memoryview, part: int | None) -> ServerKeys:
        keys = ServerKeys(self.program.parameters.keyset.name, self._evaluator.make_ready(data))
        self.prepare(keys, part)
        return keys

    def evaluate_row(self, row: bytes, keys: ServerKeys | None = None, *, part: int | None = None) -> bytes:
        """The encrypted result for one encrypted row, both as they travel.

        Args:
            row: canonical bytes of an EncryptedTensor.
            keys: of the client that encrypted it; None where the program needs none.
            part: of the row, from 0 to below the `parts` of the program's parameters, where they have any; None: all.

        Returns:
            Canonical bytes of an EncryptedTensor, of exactly the form that the program's parameters fix; of a part, as
            their `whole_answer` takes it.

        Raises:
            MalformedMessageError: the row is damaged, or of another form than the program's.
            InvalidInputError: no keys, or keys of another keyset; or there is no such part.
            EvaluationError: the native code failed.
        """
        evaluator, ready = self._evaluator, self._checked(keys)
        if part is None:
            return evaluator.evaluate_row(row, ready)
        if not isinstance(evaluator, PartedEvaluator) or not 0 <= part < parts_of(self.program.parameters):
            raise InvalidInputError(f"part {part} of a row that has {parts_of(self.program.parameters)}")
        return evaluator.evaluate_part(row, part, ready)

    def evaluate_file(self, path: str | os.PathLike[str], keys: ServerKeys) -> bytes:
        """The same for a tensor of rows in bulk that is in a file: its seed, then its polynomials.

        Raises:
            MalformedMessageError, InvalidInputError, EvaluationError: as `evaluate_row`; of programs of other rows too.
            OSError: the file cannot be read.
        """
        if not isinstance(self._evaluator, FileEvaluator):
            raise InvalidInputError("a program whose rows are no files; use Evaluator.evaluate_row")
        return self._evaluator.evaluate_file(Path(path), self._checked(keys))

    def evaluate(self, tensor: EncryptedTensor, keys: ServerKeys | None = None) -> EncryptedTensor:
        """The encrypted result for one encrypted row, of a program of the scheme `bootstrapped`.

        Args:
            tensor: as the program's input type says.
            keys: of the client that encrypted `tensor`; None where the program needs none.

        Returns:
            Ciphertexts as the program's output type says, with explicit masks, and not trimmed.

        Raises:
            MalformedMessageError: the tensor has another size or dimension.
            InvalidInputError: no keys, or keys of another keyset; or a program of a scheme without such tensors.
            EvaluationError: the native code failed.
        """
        evaluator = self._evaluator
        if not isinstance(evaluator, _TensorEvaluator):
            raise InvalidInputError(
                f"a program of scheme {self.program.scheme!r} evaluates rows as they travel; use Evaluator.evaluate_row"
            )
        return evaluator.evaluate(tensor, self._checked(keys))

    def _checked(self, keys: ServerKeys | None) -> object:
        keys = keys or self._no_keys
        if keys is None:
            raise InvalidInputError("this program needs evaluation keys; load them with Evaluator.load_keys")
        if keys.keyset_name != self.program.parameters.keyset.name:
            raise InvalidInputError("these evaluation keys are of another keyset than the program's")
        return keys.ready
