"""The scheme `clear`, of tests, in the engine: a program is its circuit, and evaluating it is interpreting it.

See `clear_parameters`. Any well-formed row is evaluated: what no honest encoder makes is taken for the nearest that one
does. A row whose seed begins with `SLOW` takes as many milliseconds as the two bytes after that say.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from clear_parameters import CLEAR, KEYS_OF_LOOKUPS, ClearParameters, clear_is_known
from cryptable_engine import Circuit, CircuitError, CompileLimits, Program, UnsupportedProgramError, interpret
from cryptable_engine.circuit.bounds import Bounds, highest_output
from cryptable_engine.circuit.circuit import GroupKind, Input, IntArray
from cryptable_engine.schemes import scheme as schemes
from cryptable_engine.schemes.folder import RECORD, load_record, save_record, written_whole
from cryptable_engine.schemes.scheme import engine_scheme
from cryptable_engine.schemes.trimming import trimming
from cryptable_protocol import ClientSpec, CompileOptions, EncryptedTensor, InvalidInputError, MalformedMessageError
from cryptable_protocol.schemes.scheme import SchemeParameters

CIRCUIT = "circuit.bin"
SLOW = b"slow"
_TOP = 63
"""A value of w bits stands in a word's upper bits, below one of padding: at 2^(63 - w)."""


def to_words(values: IntArray, width: int) -> npt.NDArray[np.uint64]:
    """Integers of `width` bits as the words of their ciphertexts' bodies."""
    return values.astype(np.uint64) << np.uint64(_TOP - width)


def from_words(words: npt.NDArray[np.uint64], width: int) -> IntArray:
    """The nearest integers of `width` bits."""
    rounded = (words + np.uint64(1 << (_TOP - 1 - width))) >> np.uint64(_TOP - width)
    return (rounded & np.uint64((1 << width) - 1)).astype(np.int64)


def honest(given: Input, values: IntArray) -> IntArray:
    """The row that an honest encoder makes and that is nearest to `values`, shape (input size,)."""
    parts, first = [], 0
    for group in given.groups:
        part = np.minimum(values[first : first + group.size], group.maximum)
        parts.append(-np.sort(-part) if group.kind is GroupKind.THERMOMETER else part)
        first += group.size
    return np.concatenate(parts)


class ClearEvaluator:
    """See `SchemeEvaluator`."""

    def __init__(self, program: Program) -> None:
        parameters = program.parameters
        assert isinstance(parameters, ClearParameters)
        self._parameters = parameters
        try:
            data = (program.directory / CIRCUIT).read_bytes()
        except OSError as error:
            raise UnsupportedProgramError(f"program: {CIRCUIT} cannot be read ({error}); compile it again") from error
        if hashlib.sha256(data).hexdigest() != load_record(program.directory)["circuit"]:
            raise UnsupportedProgramError(f"program: {CIRCUIT} is damaged; compile it again")
        self._circuit = Circuit.from_bytes(data)

    def make_ready(self, data: memoryview) -> object:
        return bytes(data)

    def evaluate_row(self, row: bytes, keys: object) -> bytes:
        assert isinstance(keys, bytes)
        tensor, parameters = EncryptedTensor.from_bytes(row), self._parameters
        if tensor.seed is not None and tensor.seed.startswith(SLOW):
            time.sleep(int.from_bytes(tensor.seed[len(SLOW) : len(SLOW) + 2], "little") / 1000)
        tensor.ciphertexts(parameters.inputs, 1)  # of that size, or refused
        values = honest(self._circuit.input, from_words(tensor.bodies, parameters.input_bits))
        found = to_words(interpret(self._circuit, values[None])[0], parameters.output_bits)
        words = np.stack([np.zeros_like(found), found], axis=1)
        with trimming():
            return EncryptedTensor.from_ciphertexts(words).trimmed(parameters.message.word_bits).to_bytes()


@dataclass(frozen=True)
class ClearScheme:
    """See `EngineScheme`."""

    name: ClassVar[str] = CLEAR

    def check(self, circuit: Circuit, found: tuple[Bounds, ...]) -> None:
        del found
        if circuit.exact_output_bits is not None:
            raise CircuitError("reads bits that are not exact, and in the clear there is no noise: leave that out")

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
        del promised, catalogue, limits
        _refuse(native)
        facts = {
            "inputs": circuit.input.size,
            "input_bits": max(group.maximum for group in circuit.input.groups).bit_length(),
            "outputs": circuit.nodes[circuit.output].size,
            "output_bits": max(1, highest_output(circuit, found).bit_length()),
            "p_error": options.p_error,
            "keys": KEYS_OF_LOOKUPS if circuit.lookups else 0,
        }
        with written_whole(directory) as made:
            data = circuit.to_bytes()
            (made / CIRCUIT).write_bytes(data)
            digest = hashlib.sha256(data).hexdigest()
            save_record(made, CLEAR, {"parameters": facts, "lookups": circuit.lookups, "circuit": digest})
        return self.load(directory)

    def what_to_warn_of(self, circuit: Circuit, spec: ClientSpec) -> str | None:
        del circuit, spec
        return None

    def load(self, directory: Path) -> Program:
        record = load_record(directory)
        try:
            parameters, lookups = ClearParameters.of(**record["parameters"]), int(record["lookups"])
        except (KeyError, TypeError, ValueError, MalformedMessageError) as error:
            raise UnsupportedProgramError(f"program: {RECORD} is damaged ({error!r}); compile it again") from error
        return Program(directory, parameters, price=float(lookups), lookups=lookups)

    def evaluator(self, program: Program, *, native: bool) -> ClearEvaluator:
        _refuse(native)
        return ClearEvaluator(program)

    def simulate(
        self,
        circuit: Circuit,
        options: CompileOptions,
        rows: IntArray,
        *,
        program: Program | None,
        limits: CompileLimits,
    ) -> IntArray:
        del options, program, limits
        return interpret(circuit, rows)


def _refuse(native: bool) -> None:
    if native:
        raise InvalidInputError("Concrete has nothing to do with the scheme clear: leave native=True out")


@contextmanager
def clear_is_registered() -> Iterator[None]:
    """Until the block ends, this process compiles for the scheme `clear`, and knows its specifications."""
    with clear_is_known():
        is_new = CLEAR not in schemes._SCHEMES
        if is_new:
            engine_scheme(ClearScheme)
        try:
            yield
        finally:
            if is_new:
                schemes._SCHEMES.pop(CLEAR)


def options(p_error: float = 2.0**-40) -> CompileOptions:
    """For `compile_circuit`."""
    return CompileOptions(p_error, scheme=CLEAR)
