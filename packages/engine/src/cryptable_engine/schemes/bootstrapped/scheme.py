"""The scheme `bootstrapped`: each lookup is a programmable bootstrapping, and sums are sums of ciphertexts."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
from cryptable_protocol import ClientSpec, CompileOptions, InternalError
from cryptable_protocol.schemes.bootstrapped.parameters import BootstrappedParameters
from cryptable_protocol.schemes.scheme import BOOTSTRAPPED, SchemeParameters

from cryptable_engine.circuit.bounds import Bounds
from cryptable_engine.circuit.circuit import Circuit, IntArray
from cryptable_engine.circuit.interpreter import interpret
from cryptable_engine.errors import CircuitError
from cryptable_engine.schemes.bootstrapped.compiling.compiler import compile_verified
from cryptable_engine.schemes.bootstrapped.evaluator import BootstrappedEvaluator
from cryptable_engine.schemes.bootstrapped.noise import NoiseModel, NoisyInterpreter
from cryptable_engine.schemes.bootstrapped.parameters.true_p_error import what_to_warn_of
from cryptable_engine.schemes.bootstrapped.program import BootstrappedProgram, read_program
from cryptable_engine.schemes.bootstrapped.simulator import simulate_verified
from cryptable_engine.schemes.scheme import CompileLimits, Program, engine_scheme


@engine_scheme
class BootstrappedScheme:
    """Evaluates any circuit without products and squares."""

    name: ClassVar[str] = BOOTSTRAPPED

    def check(self, circuit: Circuit, found: tuple[Bounds, ...]) -> None:  # noqa: ARG002  (for schemes that need them)
        """Of sums and lookups only. Whether there are keys exact enough for them, only a choice of keys can tell."""
        if circuit.products:
            raise CircuitError(
                "multiplies bits, which the scheme bootstrapped does not: compile it for scheme levelled"
            )
        if circuit.squares:
            raise CircuitError("squares values, which the scheme bootstrapped does not: compile it for scheme squares")

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
        """Onto parameters of our own choice, or by Concrete where that is asked for, or was."""
        return compile_verified(
            circuit,
            found,
            options,
            directory,
            promised=None if promised is None else _own(promised),
            catalogue=catalogue,
            native=native,
            limits=limits,
        )

    def what_to_warn_of(self, circuit: Circuit, spec: ClientSpec) -> str | None:
        """Whether its keyset is noisier than the version that chose it knew."""
        return what_to_warn_of(circuit, spec)

    def load(self, directory: Path) -> Program:
        """See `EngineScheme`."""
        return read_program(directory)

    def evaluator(self, program: Program, *, native: bool) -> BootstrappedEvaluator:
        """`native`: as Concrete has compiled it."""
        if not isinstance(program, BootstrappedProgram):
            raise InternalError(f"a program of class {type(program).__name__}, expected a bootstrapped one")
        return BootstrappedEvaluator(program, native=native)

    def simulate(
        self,
        circuit: Circuit,
        options: CompileOptions,
        rows: IntArray,
        *,
        program: Program | None,
        limits: CompileLimits,
    ) -> IntArray:
        """By the noise model of a program that is evaluated node by node, or rounds; else by Concrete's simulation."""
        if program is not None and not program.is_native and not circuit.lookups:
            return interpret(circuit, rows)  # sums fail with p_error alone
        if program is not None and (circuit.is_approximate or not program.is_native):
            interpreter = NoisyInterpreter(circuit, NoiseModel.of(program), all_lookups=not program.is_native)
            return interpreter.evaluate(rows, np.random.default_rng()).outputs
        if program is not None and circuit.exact_output_bits is not None:
            return interpret(circuit, rows)  # Concrete would simulate the reading, too
        return simulate_verified(circuit, options, rows, limits=limits)


def _own(parameters: SchemeParameters) -> BootstrappedParameters:
    if not isinstance(parameters, BootstrappedParameters):
        raise InternalError(f"parameters of class {type(parameters).__name__}, expected bootstrapped ones")
    return parameters
