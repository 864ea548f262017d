"""The scheme `squares` as the engine finds it: networks whose activation is x², without a compiler."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from cryptable_protocol import ClientSpec, CompileOptions, InternalError, InvalidInputError
from cryptable_protocol.schemes.scheme import SQUARES, SchemeParameters
from cryptable_protocol.schemes.squares.parameters import SquaresParameters

from cryptable_engine.circuit.bounds import Bounds, bounds, highest_output
from cryptable_engine.circuit.circuit import Circuit, IntArray
from cryptable_engine.errors import CompilationError
from cryptable_engine.schemes.scheme import CompileLimits, Program, engine_scheme
from cryptable_engine.schemes.squares.choice import choose_plan
from cryptable_engine.schemes.squares.network import read_network
from cryptable_engine.schemes.squares.noise import most_used
from cryptable_engine.schemes.squares.plan import make_plan
from cryptable_engine.schemes.squares.program import SquaresProgram, read_program, write_program
from cryptable_engine.schemes.squares.row_evaluator import RowEvaluator
from cryptable_engine.schemes.squares.simulator import simulate_rows


@engine_scheme
class SquaresScheme:
    """Evaluates chains of linear maps and squares."""

    name: ClassVar[str] = SQUARES

    def check(self, circuit: Circuit, found: tuple[Bounds, ...]) -> None:  # noqa: ARG002  (for schemes that need them)
        """Whether there are parameters under which its noise fits, only those can tell."""
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
        if promised is None:
            return write_program(circuit, choose_plan(circuit, found, options.p_error), directory)
        if not isinstance(promised, SquaresParameters):
            raise InvalidInputError(
                f"compile options of scheme {options.scheme!r}, the client spec is of scheme {promised.scheme!r}"
            )
        plan = make_plan(read_network(circuit), promised, highest_output(circuit, found))
        used = most_used(plan)
        if used > 1.0:
            raise CompilationError(
                f"squares: noise takes {used:.3g} times what an answer bears within 2^-128; compile the model again "
                "with this version"
            )
        return write_program(circuit, plan, directory)

    def what_to_warn_of(self, circuit: Circuit, spec: ClientSpec) -> str | None:  # noqa: ARG002  (for earlier versions)
        """There is none whose parameters this version knows better of."""
        return None

    def load(self, directory: Path) -> Program:
        """See `EngineScheme`."""
        return read_program(directory)

    def evaluator(self, program: Program, *, native: bool) -> RowEvaluator:
        """See `EngineScheme`; there is no oracle."""
        if native:
            raise InvalidInputError("native: the scheme squares has no other code to compare with; leave it out")
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
        if isinstance(program, SquaresProgram):
            return simulate_rows(circuit, program.plan, rows)
        return simulate_rows(circuit, choose_plan(circuit, bounds(circuit), options.p_error), rows)
