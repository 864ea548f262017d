"""The scheme `levelled` as the engine finds it: circuits of products of bits, without a compiler."""

from __future__ import annotations

import math
from pathlib import Path
from typing import ClassVar

from cryptable_protocol import ClientSpec, CompileOptions, InternalError, InvalidInputError
from cryptable_protocol.schemes.levelled.linear_parameters import LinearParameters
from cryptable_protocol.schemes.levelled.parameters import LevelledParameters
from cryptable_protocol.schemes.scheme import LEVELLED, SchemeParameters

from cryptable_engine.circuit.bounds import Bounds, bounds, highest_output
from cryptable_engine.circuit.circuit import Circuit, IntArray
from cryptable_engine.errors import CompilationError
from cryptable_engine.kernel import usable_kernel
from cryptable_engine.schemes.levelled.choice import choose_parameters
from cryptable_engine.schemes.levelled.evaluation.row_evaluator import RowEvaluator
from cryptable_engine.schemes.levelled.linear.choice import choose_linear_parameters
from cryptable_engine.schemes.levelled.linear.evaluator import LinearEvaluator
from cryptable_engine.schemes.levelled.linear.plan import LinearPlan, is_linear
from cryptable_engine.schemes.levelled.linear.simulation import simulate_linear
from cryptable_engine.schemes.levelled.noise.bound import PlanNoise, noise_bound
from cryptable_engine.schemes.levelled.plans.plan import check, make_plan
from cryptable_engine.schemes.levelled.program import LevelledProgram, plan_of, read_program, write_program
from cryptable_engine.schemes.levelled.simulator import simulate_rows
from cryptable_engine.schemes.scheme import CompileLimits, Program, engine_scheme


@engine_scheme
class LevelledScheme:
    """Evaluates circuits of forms and products of bits."""

    name: ClassVar[str] = LEVELLED

    def check(self, circuit: Circuit, found: tuple[Bounds, ...]) -> None:  # noqa: ARG002  (for schemes that need them)
        """Whether there are parameters under which its noise fits, only those can tell."""
        if is_linear(circuit):
            return
        check(circuit)

    def compile(
        self,
        circuit: Circuit,
        found: tuple[Bounds, ...],
        options: CompileOptions,
        directory: Path,
        *,
        promised: SchemeParameters | None,
        catalogue: bool,  # noqa: ARG002  (one keyset serves all models)
        native: bool,
        limits: CompileLimits,  # noqa: ARG002  (no child process)
    ) -> Program:
        """Plan the circuit for the promised parameters, or for the cheapest that fit, and see that its noise fits."""
        if native:
            raise InvalidInputError("native: the scheme levelled has no native code; leave it out")
        highest = highest_output(circuit, found)
        parameters = _choose(circuit, highest, options.p_error) if promised is None else _own(promised, options)
        plan = plan_of(circuit, parameters, highest)
        if isinstance(plan, LinearPlan):  # whose noise its parameters bound
            return write_program(circuit, plan, directory)
        noise = PlanNoise(plan)
        log2, wanted = noise.bound().log2_failure, math.log2(parameters.p_error)
        # What earlier versions have promised is kept, with a warning: by their bound, it was enough.
        if log2 > wanted and (promised is None or noise.bound_by_flat_spectra().log2_failure > wanted):
            raise CompilationError(
                f"levelled: answers are wrong with a probability of up to 2^{log2:.1f}, its client spec promises "
                f"2^{wanted:.1f}; compile the model again with this version"
            )
        return write_program(circuit, plan, directory)

    def what_to_warn_of(self, circuit: Circuit, spec: ClientSpec) -> str | None:
        """Whether an earlier version took its noise to be less, the spectra of its forms being flat."""
        parameters = spec.parameters
        if not isinstance(parameters, LevelledParameters):
            return None
        log2 = noise_bound(make_plan(circuit, parameters, highest_output(circuit, bounds(circuit)))).log2_failure
        if log2 <= math.log2(parameters.p_error):
            return None
        return (
            f"model {spec.model_name}: its answers may be wrong with a probability of up to 2^{log2:.1f}, it promises "
            f"2^{math.log2(parameters.p_error):.1f}: the version that planned it took its noise to be less; compile "
            "the model again"
        )

    def load(self, directory: Path) -> Program:
        """See `EngineScheme`."""
        return read_program(directory)

    def evaluator(self, program: Program, *, native: bool) -> RowEvaluator | LinearEvaluator:
        """See `EngineScheme`; there is no oracle. By the kernel, where there is one."""
        if native:
            raise InvalidInputError("native: the scheme levelled has no native code; leave it out")
        if not isinstance(program, LevelledProgram):
            raise InternalError(f"a program of class {type(program).__name__}, expected a levelled one")
        plan = program.plan
        return (
            LinearEvaluator(plan)
            if isinstance(plan, LinearPlan)
            else RowEvaluator(plan, usable_kernel(), *program.together)
        )

    def simulate(
        self,
        circuit: Circuit,
        options: CompileOptions,
        rows: IntArray,
        *,
        program: Program | None,
        limits: CompileLimits,  # noqa: ARG002  (no child process)
    ) -> IntArray:
        """With Gaussian noise of each row's own variance, under the program's parameters, or the cheapest that fit."""
        if isinstance(program, LevelledProgram):
            plan = program.plan
        else:
            highest = highest_output(circuit, bounds(circuit))
            plan = plan_of(circuit, _choose(circuit, highest, options.p_error), highest)
        return (
            simulate_linear(circuit, plan, rows) if isinstance(plan, LinearPlan) else simulate_rows(circuit, plan, rows)
        )


def _choose(circuit: Circuit, highest: int, p_error: float) -> LevelledParameters | LinearParameters:
    if is_linear(circuit):
        return choose_linear_parameters(circuit, highest, p_error)
    return choose_parameters(circuit, highest, p_error)


def _own(parameters: SchemeParameters, options: CompileOptions) -> LevelledParameters | LinearParameters:
    if not isinstance(parameters, LevelledParameters | LinearParameters):
        raise InvalidInputError(
            f"compile options of scheme {options.scheme!r}, the client spec is of scheme {parameters.scheme!r}"
        )
    return parameters
