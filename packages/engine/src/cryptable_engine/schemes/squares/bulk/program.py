"""BulkProgram: a circuit and its parameters for rows in bulk, in a folder; there is nothing else to compile."""

from __future__ import annotations

from collections import Counter
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
from cryptable_engine.schemes.squares.bulk.plan import BulkPlan, make_plan

_MICROSECONDS = {
    1: (9000.0, 170.0, 3000.0, 4000.0),
    2: (9000.0, 170.0, 3000.0, 4000.0),
    3: (50000.0, 650.0, 9000.0, 9000.0),
    4: (70000.0, 800.0, 11000.0, 9000.0),
    5: (36000.0, 520.0, 7000.0, 9000.0),
}
"""By chain, of one core: a product, a column that is read by a sum, an element of the input, and an output."""


@dataclass(frozen=True)
class BulkProgram(Program):
    """`price` is in microseconds of one core, of a tensor, however many rows it holds."""

    @property
    def bulk(self) -> BulkParameters:
        """Its parameters."""
        if not isinstance(self.parameters, BulkParameters):
            raise InternalError(f"parameters of class {type(self.parameters).__name__}, expected those of rows in bulk")
        return self.parameters

    @cached_property
    def plan(self) -> BulkPlan:
        """Of the circuit in its folder."""
        circuit = read_circuit(self.directory)
        return make_plan(circuit, self.bulk, highest_output(circuit, verify(circuit)))


def price(plan: BulkPlan) -> float:
    """Microseconds of an evaluation of one tensor."""
    product, read, element, output = _MICROSECONDS[plan.parameters.keyset.number]
    columns = plan.columns
    reads = Counter(column for each in columns.sums for column, _ in each.weights)
    inputs = sum(column < columns.inputs for column in reads)
    return product * len(columns.products) + read * reads.total() + element * inputs + output * len(columns.outputs)


def write_program(circuit: Circuit, plan: BulkPlan, directory: Path) -> BulkProgram:
    """Write a program; raises InvalidInputError where `directory` is not empty."""
    write_planned(circuit, plan.parameters, price(plan), directory)
    return BulkProgram(directory, plan.parameters, price(plan))
