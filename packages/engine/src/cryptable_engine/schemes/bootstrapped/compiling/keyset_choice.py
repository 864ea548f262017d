"""Has Concrete compile a circuit: onto its optimizer's own choice, an entry of the catalogue, or the keyset asked for.

Runs in the compiling process. Concrete ignores a wish that it cannot meet, so each result is compared.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cryptable_protocol import CompileOptions, KeysetParameters

from cryptable_engine.circuit.bounds import Bounds
from cryptable_engine.circuit.circuit import Circuit
from cryptable_engine.circuit.verifier import MAX_VALUE_BITS, verify
from cryptable_engine.errors import CompilationError
from cryptable_engine.schemes.bootstrapped.concrete.info import read_concrete
from cryptable_engine.schemes.bootstrapped.concrete.mlir import print_mlir
from cryptable_engine.schemes.bootstrapped.concrete.native import compile_mlir
from cryptable_engine.schemes.bootstrapped.linear_program import write_linear
from cryptable_engine.schemes.bootstrapped.lookup_program import write_lookups
from cryptable_engine.schemes.bootstrapped.parameters.catalogue import KeysetEntry, candidates, secret_key_entries
from cryptable_engine.schemes.bootstrapped.parameters.formulas import (
    MAX_GLWE_DIMENSION,
    SECURITY_SLOPE,
    deviations,
)
from cryptable_engine.schemes.bootstrapped.parameters.layout import Layout, lay_out
from cryptable_engine.schemes.bootstrapped.program import (
    BootstrappedProgram,
    EvaluationKind,
    kind_of,
    read_program,
    write_record,
)

_MAX_ATTEMPTS = 4
_MAX_DEVIATIONS = 36.0
"""Of a Gaussian: beyond, their probability is no double."""


@dataclass(frozen=True)
class _Compiler:
    circuit: Circuit
    options: CompileOptions
    simulation: bool
    any_glwe_dimension: bool = False

    @cached_property
    def _bounds(self) -> tuple[Bounds, ...]:
        return verify(self.circuit)

    @cached_property
    def _usual(self) -> tuple[Layout, str]:
        return self._printed(spare_bits=0)

    def _printed(self, *, spare_bits: int) -> tuple[Layout, str]:
        layout = lay_out(self.circuit, self._bounds, spare_bits=spare_bits)
        return layout, print_mlir(self.circuit, layout)

    def program(
        self,
        directory: str,
        *,
        keyset: KeysetParameters | None = None,
        spare_bits: int = 0,
        p_error: float | None = None,
    ) -> BootstrappedProgram:
        """Compile into a new directory below the current one."""
        layout, text = self._printed(spare_bits=spare_bits) if spare_bits else self._usual
        target = Path(directory)
        target.mkdir()
        compile_mlir(
            text,
            target,
            p_error=self.options.p_error if p_error is None else p_error,
            security_bits=self.options.security_bits,
            simulation=self.simulation,
            keyset=keyset,
            max_glwe_dimension=None if keyset is not None or self.any_glwe_dimension else MAX_GLWE_DIMENSION,
        )
        evaluation = kind_of(self.circuit, read_concrete(target, self.options.p_error))
        if evaluation is EvaluationKind.LINEAR:
            write_linear(self.circuit, layout.output, target)
        write_lookups(self.circuit, layout, target)
        write_record(target, self.options.p_error, evaluation=evaluation)
        return read_program(target)


def compile_onto_keyset(
    circuit: Circuit,
    options: CompileOptions,
    *,
    catalogue: bool,
    simulation: bool,
    any_glwe_dimension: bool = False,
) -> None:
    """Compile into the current directory.

    Args:
        circuit: any; it is verified.
        options: where they name a keyset, it is met exactly.
        catalogue: where they name none, an entry of the catalogue may be taken instead of the optimizer's choice.
        simulation: compile for clear values with simulated noise.
        any_glwe_dimension: let the optimizer choose as earlier versions did, for an artifact of theirs.

    Raises:
        CircuitError: the verifier refuses the circuit.
        CompilationError: Concrete failed, or cannot meet the keyset that `options` name.
    """
    compiler = _Compiler(circuit, options, simulation, any_glwe_dimension)
    optimum = None
    if options.keyset is not None:
        made: BootstrappedProgram | None = _compile_onto(compiler, options.keyset, None, "onto")
        entry = options.keyset_entry
        if made is None:
            raise CompilationError(
                f"it cannot be compiled onto the keyset of entry {entry!r}: that is not exact enough for it, or this "
                "version of the compiler finds no way; compile the model onto another keyset"
            )
    else:
        own = compiler.program("own")
        made, entry, optimum = own, "", own.complexity
        for number, candidate in enumerate(_entries_for(own, options.p_error) if catalogue else ()):
            found = _compile_onto(compiler, candidate.keyset, own, f"entry{number}")
            if found is not None:
                made, entry = found, candidate.name
                break
    _keep(made.directory)
    write_record(Path(), options.p_error, evaluation=made.evaluation, keyset_entry=entry, optimum=optimum)


def _entries_for(own: BootstrappedProgram, p_error: float) -> tuple[KeysetEntry, ...]:
    if own.lookups:
        found = candidates(p_error, own.complexity, own.lookups)
    else:
        found = secret_key_entries(own.keyset.secret_keys[0].dimension)
    return found[:_MAX_ATTEMPTS]


def _compile_onto(
    compiler: _Compiler, keyset: KeysetParameters, own: BootstrappedProgram | None, directory: str
) -> BootstrappedProgram | None:
    """None where Concrete does not meet the wish. `own` is the program with the optimizer's choice, if it is there."""
    if own is not None and own.keyset == keyset:
        return own
    if keyset.bootstrap_keys:
        found = compiler.program(directory, keyset=keyset)
        return found if found.keyset == keyset else None
    if len(keyset.secret_keys) != 1:
        return None
    own = own or compiler.program(f"{directory}-own")
    if own.keyset.bootstrap_keys:
        return None
    for number, (spare_bits, p_error) in enumerate(_demands(own, keyset.secret_keys[0].dimension)):
        found = compiler.program(f"{directory}-{number}", spare_bits=spare_bits, p_error=p_error)
        if found.keyset == keyset:
            return found
    return None


def _demands(own: BootstrappedProgram, dimension: int) -> Iterator[tuple[int, float]]:
    """Spare bits and failure probabilities at which a circuit without lookups gets a secret key of `dimension` bits.

    The optimizer takes the shortest key whose noise is small enough, and heeds no wish. So the circuit asks for less
    noise than it needs: an output that is wider by a bit, or read with twice the margin, halves what is allowed, and
    a key's noise falls by `SECURITY_SLOPE` bits for each of its own.
    """
    surplus = (dimension - own.keyset.secret_keys[0].dimension) * SECURITY_SLOPE
    if surplus < 0:
        return
    spare_bits = int(surplus)
    if own.output.width + spare_bits > MAX_VALUE_BITS:
        return
    least = deviations(own.p_error)
    for nudge in (0.0, -0.5, 0.5, -1.0, 1.0):  # bits of the key
        wanted = least * 2.0 ** (surplus - spare_bits + nudge * SECURITY_SLOPE)
        if least <= wanted <= _MAX_DEVIATIONS:
            yield spare_bits, math.erfc(wanted / math.sqrt(2.0))


def _keep(directory: Path) -> None:
    """Move one attempt's files to the current directory, and remove the others."""
    for path in directory.iterdir():
        path.rename(Path(path.name))
    for path in Path().iterdir():
        if path.is_dir():
            shutil.rmtree(path)
