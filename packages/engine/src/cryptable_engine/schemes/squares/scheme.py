"""The scheme `squares` as the engine finds it: networks whose activation is x², and rows in bulk; no compiler."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from cryptable_protocol import ClientSpec, CompileOptions, InternalError, InvalidInputError
from cryptable_protocol.schemes.scheme import SQUARES, SchemeParameters
from cryptable_protocol.schemes.squares.answers import MOST_MODULUS_BITS
from cryptable_protocol.schemes.squares.bulk_parameters import BulkParameters
from cryptable_protocol.schemes.squares.parameters import SquaresParameters

from cryptable_engine.circuit.bounds import Bounds, bounds, highest_output
from cryptable_engine.circuit.circuit import Circuit, IntArray
from cryptable_engine.errors import CompilationError
from cryptable_engine.schemes.scheme import CompileLimits, Program, engine_scheme
from cryptable_engine.schemes.squares.bulk.choice import choose_bulk_plan
from cryptable_engine.schemes.squares.bulk.columns import read_columns
from cryptable_engine.schemes.squares.bulk.evaluator import BulkEvaluator
from cryptable_engine.schemes.squares.bulk.plan import make_plan as make_bulk_plan
from cryptable_engine.schemes.squares.bulk.program import BulkProgram
from cryptable_engine.schemes.squares.bulk.program import write_program as write_bulk_program
from cryptable_engine.schemes.squares.choice import choose_plan
from cryptable_engine.schemes.squares.network import read_network
from cryptable_engine.schemes.squares.noise.bound import flooded, most_used
from cryptable_engine.schemes.squares.plan import make_plan
from cryptable_engine.schemes.squares.program import SquaresProgram, read_program, write_program
from cryptable_engine.schemes.squares.row_evaluator import RowEvaluator
from cryptable_engine.schemes.squares.simulator import simulate_bulk, simulate_rows

MOST_MODULUS = 1 << MOST_MODULUS_BITS
"""Modulo this, no weight of a circuit vanishes that does not under all moduli."""


@engine_scheme
class SquaresScheme:
    """Evaluates chains of linear maps and squares; of many rows at once, circuits of sums and products too."""

    name: ClassVar[str] = SQUARES

    def check(self, circuit: Circuit, found: tuple[Bounds, ...]) -> None:  # noqa: ARG002  (for schemes that need them)
        """Whether there are parameters under which its noise fits, only those can tell."""
        if circuit.products:  # of bits: for rows in bulk
            read_columns(circuit, MOST_MODULUS)
        else:
            read_network(circuit)

    def compile(
        self,
        circuit: Circuit,
        found: tuple[Bounds, ...],
        options: CompileOptions,
        directory: Path,
        *,
        promised: SchemeParameters | None,
        catalogue: bool,  # noqa: ARG002  (keysets follow from layouts)
        native: bool,
        limits: CompileLimits,  # noqa: ARG002  (no child process)
    ) -> Program:
        """Plan the circuit for the promised parameters, or for the cheapest that fit, and see that its noise fits."""
        if native:
            raise InvalidInputError("native: the scheme squares has no other code to compare with; leave it out")
        if options.flooding_bits and (circuit.products or isinstance(promised, BulkParameters)):
            raise InvalidInputError("flooding_bits is for single rows of networks: rows in bulk are not flooded")
        if promised is None:
            if circuit.products:
                return write_bulk_program(circuit, choose_bulk_plan(circuit, found, options.p_error), directory)
            plan = choose_plan(circuit, found, options.p_error, options.flooding_bits)
            return write_program(circuit, plan, directory)
        highest = highest_output(circuit, found)
        if isinstance(promised, BulkParameters):
            bulk = make_bulk_plan(circuit, promised, highest)
            _check_noise(bulk.noise.used())
            return write_bulk_program(circuit, bulk, directory)
        if not isinstance(promised, SquaresParameters):
            raise InvalidInputError(
                f"compile options of scheme {options.scheme!r}, the client spec is of scheme {promised.scheme!r}"
            )
        plan = flooded(make_plan(read_network(circuit), promised, highest), options.flooding_bits)
        _check_noise(most_used(plan))
        return write_program(circuit, plan, directory)

    def what_to_warn_of(self, circuit: Circuit, spec: ClientSpec) -> str | None:  # noqa: ARG002  (for earlier versions)
        """There is none whose parameters this version knows better of."""
        return None

    def load(self, directory: Path) -> Program:
        """See `EngineScheme`."""
        return read_program(directory)

    def evaluator(self, program: Program, *, native: bool) -> RowEvaluator | BulkEvaluator:
        """See `EngineScheme`; there is no oracle."""
        if native:
            raise InvalidInputError("native: the scheme squares has no other code to compare with; leave it out")
        if isinstance(program, BulkProgram):
            return BulkEvaluator(program.plan)
        if not isinstance(program, SquaresProgram):
            raise InternalError(f"a program of class {type(program).__name__}, expected one of squares")
        return RowEvaluator(program.plan)

    def simulate(
        self,
        circuit: Circuit,
        options: CompileOptions,
        rows: IntArray,
        *,
        program: Program | None,
        limits: CompileLimits,  # noqa: ARG002  (no child process)
    ) -> IntArray:
        """With noise of the bound's deviation, under the program's parameters, or the cheapest that fit."""
        if isinstance(program, BulkProgram):
            return simulate_bulk(circuit, program.plan, rows)
        if isinstance(program, SquaresProgram):
            return simulate_rows(circuit, program.plan, rows)
        if circuit.products:
            return simulate_bulk(circuit, choose_bulk_plan(circuit, bounds(circuit), options.p_error), rows)
        plan = choose_plan(circuit, bounds(circuit), options.p_error, options.flooding_bits)
        return simulate_rows(circuit, plan, rows)


def _check_noise(used: float) -> None:
    if used > 1.0:
        raise CompilationError(
            f"squares: noise takes {used:.3g} times what an answer bears within 2^-128; compile the model again "
            "with this version"
        )
