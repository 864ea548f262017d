"""BulkProgram: a circuit and its parameters for rows in bulk, in a folder; there is nothing else to compile."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cryptable_protocol import InternalError
from cryptable_protocol.schemes.squares.bulk_parameters import BulkParameters

from cryptable_engine.circuit.bounds import highest_output
from cryptable_engine.circuit.circuit import Circuit
from cryptable_engine.circuit.verifier import verify
from cryptable_engine.schemes.planned import read_circuit, write_planned
from cryptable_engine.schemes.scheme import Program
from cryptable_engine.schemes.squares.bulk.choice import choose_bulk_plan
from cryptable_engine.schemes.squares.bulk.plan import BulkPlan, make_plan
from cryptable_engine.schemes.squares.bulk.price import price


@dataclass(frozen=True)
class BulkProgram(Program):
    """`price` is in microseconds of one core, of a tensor, however many rows it holds."""

    @property
    def bulk(self) -> BulkParameters:
        """Its parameters."""
        if not isinstance(self.parameters, BulkParameters):
            raise InternalError(f"parameters of class {type(self.parameters).__name__}, expected those of rows in bulk")
        return self.parameters

    @property
    def memory_bytes(self) -> int:
        """See `Program`; makes the plan."""
        return self.plan.memory_bytes

    @cached_property
    def plan(self) -> BulkPlan:
        """Of the circuit in its folder."""
        circuit = read_circuit(self.directory)
        return make_plan(circuit, self.bulk, highest_output(circuit, verify(circuit)))


def compile_in_bulk(circuit: Circuit, p_error: float, directory: str | Path) -> Program:
    """A circuit compiled for thousands of rows at once, in the slots of a ciphertext for each element.

    Args:
        circuit: of sums, products and squares; it is verified.
        p_error: probability that a tensor's answer is wrong; 2^-128 at most is kept in any case.
        directory: where the program is to be: new or empty. Written whole or not at all.

    Raises:
        CircuitError: the verifier refuses it, or it has other nodes; names one.
        CompilationError: there are no parameters for it; says what to do.
        InvalidInputError: `directory` is not empty.
    """
    plan = choose_bulk_plan(circuit, verify(circuit), p_error)
    return write_program(circuit, plan, Path(directory).absolute())


def write_program(circuit: Circuit, plan: BulkPlan, directory: Path) -> BulkProgram:
    """Write a program; raises InvalidInputError where `directory` is not empty."""
    write_planned(circuit, plan.parameters, price(plan), directory)
    return BulkProgram(directory, plan.parameters, price(plan))
