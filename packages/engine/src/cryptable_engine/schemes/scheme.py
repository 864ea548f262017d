"""EngineScheme: what a scheme does with circuits, what a compiled one is to everybody, and where schemes are found.

A scheme's folder has a module `scheme` with a class that `engine_scheme` registers. Everything outside those folders
works with what stands here: `programs` dispatches by the scheme that a program's record names.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar, Protocol, TypeVar, runtime_checkable

from cryptable_protocol import CiphertextType, ClientSpec, CompileOptions, InvalidInputError, KeysetParameters
from cryptable_protocol.schemes.bootstrapped.parameters import BootstrappedParameters
from cryptable_protocol.schemes.scheme import BATCH_FILE, PACKED_FILE, Batch, SchemeParameters

from cryptable_engine.circuit.bounds import Bounds
from cryptable_engine.circuit.circuit import Circuit, IntArray
from cryptable_engine.errors import ProgramMismatchError, UnsupportedProgramError
from cryptable_engine.schemes.folder import load_record


@dataclass(frozen=True)
class CompileLimits:
    """What one compilation may use at most."""

    address_space_bytes: int = 8 << 30
    cpu_seconds: int = 600
    wall_seconds: float = 900.0


@dataclass(frozen=True)
class Program:
    """A compiled circuit on disk: made by `compile_circuit`, read by `Program.load`.

    `parameters` are those of its scheme, as a ClientSpec has them. `price` is that of one evaluation, in the scheme's
    own unit (of a bootstrapped one as Concrete's optimizer counts it: 1.4e8 is about 28 ms of one core). `keyset_entry`
    names the keyset that it shares with other models, empty where the keyset is the circuit's own; `optimum` is the
    price under the cheapest keyset, None where that was not asked. `lookups` is the number of programmable
    bootstrappings. `is_native` says that Concrete has compiled it.
    """

    directory: Path
    parameters: SchemeParameters
    price: float
    keyset_entry: str = ""
    optimum: float | None = None
    lookups: int = 0
    is_native: bool = False

    @classmethod
    def load(cls, directory: str | Path) -> Program:
        """Read what `compile_circuit` has written: a trusted directory, since it may hold native code.

        Raises:
            CompilationError: a file is missing or is not what was written.
            UnsupportedProgramError: the program is of a kind that the engine does not run.
        """
        directory = Path(directory)
        return find_scheme(load_record(directory)["scheme"]).load(directory)

    def choose_batches(self) -> tuple[Batch, ...]:
        """How rows of it travel together: one way at most with answers of their own, and one with packed ones.

        None at all where they travel alone. May take seconds of CPU.
        """
        return ()

    def write_batches(self) -> None:
        """Have its evaluators take rows together, as `choose_batches` says: `read_batch_files` then has it."""
        for batch in self.choose_batches():
            name = PACKED_FILE if batch.rows_per_answer else BATCH_FILE
            (self.directory / name).write_bytes(batch.to_bytes())

    @property
    def memory_bytes(self) -> int:
        """What an evaluation takes at most, beyond keys and what a process has in any case; 0 where that is little."""
        return 0

    @property
    def scheme(self) -> str:
        """Name of the scheme that evaluates it."""
        return self.parameters.scheme

    @property
    def p_error(self) -> float:
        """The largest probability that one operation, or the reading of the result, fails."""
        return self.parameters.p_error

    @property
    def complexity(self) -> float:
        """Another name of `price`."""
        return self.price

    @property
    def bootstrapped(self) -> BootstrappedParameters:
        """The parameters of a program of the scheme `bootstrapped`.

        Raises:
            InvalidInputError: it is of another scheme.
        """
        if isinstance(self.parameters, BootstrappedParameters):
            return self.parameters
        raise InvalidInputError(f"the program is of scheme {self.scheme!r}, which has no bootstrapped parameters")

    @property
    def keyset(self) -> KeysetParameters:
        """Of the scheme `bootstrapped`; of any, `parameters.keyset`."""
        return self.bootstrapped.keyset

    @property
    def input(self) -> CiphertextType:
        """Of the scheme `bootstrapped`: ciphertexts of a row."""
        return self.bootstrapped.input

    @property
    def output(self) -> CiphertextType:
        """Of the scheme `bootstrapped`: ciphertexts of an answer, of variance 0, as in a ClientSpec."""
        return self.bootstrapped.output

    def check_spec(self, spec: ClientSpec) -> None:
        """Whether clients that follow `spec` can use this program.

        Raises:
            ProgramMismatchError: names the parameter that differs.
        """
        self.check_parameters(spec.parameters)

    def check_parameters(self, promised: SchemeParameters) -> None:
        """Whether clients that were promised these parameters can use this program; raises as `check_spec`."""
        if promised.scheme != self.scheme:
            raise mismatch("scheme", self.scheme, promised.scheme)
        theirs = self._facts(promised)
        for name, compiled in self._facts(self.parameters).items():
            if compiled != theirs[name]:
                raise mismatch(name, compiled, theirs[name])

    def _facts(self, parameters: SchemeParameters) -> Mapping[str, object]:
        """By names for people, all that a client relies on."""
        return {"parameters": parameters}


def mismatch(name: str, compiled: object, promised: object) -> ProgramMismatchError:
    """Of a program, or what it would be, and what clients were promised."""
    return ProgramMismatchError(
        f"program: the circuit compiles to {name} {compiled}, its client spec promises {promised}; "
        "compile the model again with this version"
    )


def read_batch_files(directory: Path) -> tuple[bytes, bytes]:
    """The canonical BatchSpecs of a program, with an answer a row and with packed ones; empty where there is none."""
    batch, packed = (
        path.read_bytes() if (path := directory / name).exists() else b"" for name in (BATCH_FILE, PACKED_FILE)
    )
    return batch, packed


class SchemeEvaluator(Protocol):
    """Evaluates one program. Thread-safe."""

    def make_ready(self, data: memoryview) -> object:
        """A client's evaluation keys as `evaluate_row` takes them; `data`, of the right length, is not kept.

        Raises:
            MalformedMessageError: their content shows that they are no keys.
        """

    def evaluate_row(self, row: bytes, keys: object) -> bytes:
        """An answer's canonical bytes, of exactly the form that the program's parameters fix, for a row's.

        Args:
            row: as it travels.
            keys: what `make_ready` gave for keys of the program's keyset.

        Raises:
            MalformedMessageError: a row of another form than the program's.
            EvaluationError: the evaluation failed, though all was valid.
        """


@runtime_checkable
class FileEvaluator(SchemeEvaluator, Protocol):
    """What also evaluates rows in bulk whose tensor is too large for memory, and so in a file."""

    def evaluate_file(self, path: Path, keys: object) -> bytes:
        """The answer to a tensor in a file, its seed and then its polynomials; all else is as for `evaluate_row`.

        Raises:
            OSError: the file cannot be read.
        """


@runtime_checkable
class PartedEvaluator(SchemeEvaluator, Protocol):
    """What also evaluates rows in parts, which may be several processes': see `cryptable_protocol.schemes.parts`."""

    def prepare(self, keys: object, part: int | None) -> bool:
        """Have of a client's keys what a part needs, or all parts; False where that was there already.

        Args:
            keys: as for `evaluate_row`, which makes what it needs itself where this was not called.
            part: its number, from 0; None: of all.

        Raises:
            EvaluationError: the keys cannot be used.
        """

    def evaluate_part(self, row: bytes, part: int, keys: object) -> bytes:
        """The answer to one part of a row, as `Parted.whole_answer` takes it; all else is as for `evaluate_row`."""


class EngineScheme(Protocol):
    """One way to evaluate circuits under encryption."""

    name: ClassVar[str]

    def check(self, circuit: Circuit, found: tuple[Bounds, ...]) -> None:
        """Accept a verified circuit.

        Args:
            circuit: any that the verifier accepts.
            found: bounds of its nodes.

        Raises:
            CircuitError: this scheme cannot evaluate it; the message says why, and what to do.
        """

    def compile(
        self,
        circuit: Circuit,
        found: tuple[Bounds, ...],
        options: CompileOptions,
        directory: Path,
        *,
        promised: SchemeParameters | None,
        catalogue: bool,
        native: bool,
        limits: CompileLimits,
    ) -> Program:
        """Compile a circuit that `check` accepts; arguments and errors are those of `programs.compile_circuit`."""

    def what_to_warn_of(self, circuit: Circuit, spec: ClientSpec) -> str | None:
        """Of a model that an earlier version compiled, what whoever runs it must know; None where there is nothing."""

    def load(self, directory: Path) -> Program:
        """What `compile` has written into a trusted directory; raises as `Program.load` does."""

    def evaluator(self, program: Program, *, native: bool) -> SchemeEvaluator:
        """Of a program of this scheme.

        Args:
            program: one that `compile` or `load` gave.
            native: by the scheme's oracle for tests, if it has one.

        Raises:
            EvaluationError: what the program needs cannot be loaded.
            InvalidInputError: `native`, and there is no oracle of this program.
        """

    def simulate(
        self,
        circuit: Circuit,
        options: CompileOptions,
        rows: IntArray,
        *,
        program: Program | None,
        limits: CompileLimits,
    ) -> IntArray:
        """What evaluation gives, computed on clear values with the noise of this scheme; see `programs.simulate`."""


Kind = TypeVar("Kind", bound=type[EngineScheme])

_SCHEMES: dict[str, EngineScheme] = {}


def engine_scheme(kind: Kind) -> Kind:
    """Decorator: the scheme that `kind.name` names, made without arguments.

    Raises:
        ValueError: there is one of that name already.
    """
    if kind.name in _SCHEMES:
        raise ValueError(f"two schemes of the name {kind.name!r}")
    _SCHEMES[kind.name] = kind()
    return kind


def find_scheme(name: str) -> EngineScheme:
    """The scheme of that name.

    Raises:
        UnsupportedProgramError: there is none.
    """
    schemes = all_schemes()
    if name not in schemes:
        raise UnsupportedProgramError(
            f"scheme {name!r} is not one that this version evaluates ({', '.join(schemes)}); use a version that has it"
        )
    return schemes[name]


def all_schemes() -> Mapping[str, EngineScheme]:
    """By name, those of the folders beside this file, and what else has been registered."""
    _discover()
    return {name: _SCHEMES[name] for name in sorted(_SCHEMES)}


@cache
def _discover() -> None:
    package = importlib.import_module("cryptable_engine.schemes")
    for folder in pkgutil.iter_modules(package.__path__):
        if folder.ispkg:
            importlib.import_module(f"cryptable_engine.schemes.{folder.name}.scheme")
