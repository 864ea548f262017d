"""LevelledProgram: a circuit and its parameters in a folder; there is nothing else to compile."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cryptable_protocol import InternalError
from cryptable_protocol.schemes.levelled.batch import LevelledBatch, read_levelled_batch
from cryptable_protocol.schemes.levelled.linear_parameters import LinearParameters
from cryptable_protocol.schemes.levelled.parameters import LevelledParameters
from cryptable_protocol.schemes.scheme import Batch

from cryptable_engine.circuit.bounds import highest_output
from cryptable_engine.circuit.circuit import Circuit
from cryptable_engine.circuit.verifier import verify
from cryptable_engine.schemes.levelled.linear.plan import LinearPlan, make_linear_plan
from cryptable_engine.schemes.levelled.plans.plan import Plan, make_plan, plan_forms
from cryptable_engine.schemes.levelled.together import choose_batches
from cryptable_engine.schemes.planned import read_circuit, read_planned, write_planned
from cryptable_engine.schemes.scheme import Program, read_batch_files


@dataclass(frozen=True)
class LevelledProgram(Program):
    """`price` is in microseconds of one core, as NumPy takes them."""

    @property
    def levelled(self) -> LevelledParameters | LinearParameters:
        """Its parameters."""
        if not isinstance(self.parameters, LevelledParameters | LinearParameters):
            raise InternalError(f"parameters of class {type(self.parameters).__name__}, expected levelled ones")
        return self.parameters

    @cached_property
    def plan(self) -> Plan | LinearPlan:
        """Of the circuit in its folder."""
        circuit = read_circuit(self.directory)
        return plan_of(circuit, self.levelled, highest_output(circuit, verify(circuit)))

    @cached_property
    def together(self) -> tuple[tuple[LevelledBatch, Plan] | None, tuple[LevelledBatch, Plan] | None]:
        """How rows travel together, where `write_batches` found a way, and plans of rows that do: at last, packed."""
        batch, packed = map(self._together, read_batch_files(self.directory))
        return batch, packed

    def _together(self, data: bytes) -> tuple[LevelledBatch, Plan] | None:
        if not data or not isinstance(self.plan, Plan):
            return None
        batch = read_levelled_batch(self.plan.parameters, data)
        return batch, plan_forms(self.plan.forms, batch.row, batch.row.maximum)

    @cached_property
    def _batches(self) -> tuple[Batch, ...]:
        return choose_batches(self.plan, row_price) if isinstance(self.plan, Plan) else ()

    def choose_batches(self) -> tuple[Batch, ...]:
        """See `Program`; they are found once."""
        return self._batches


def plan_of(
    circuit: Circuit, parameters: LevelledParameters | LinearParameters, highest_output: int
) -> Plan | LinearPlan:
    """By the kind of the parameters; raises as `make_plan` and `make_linear_plan`."""
    if isinstance(parameters, LinearParameters):
        return make_linear_plan(circuit, parameters, highest_output)
    return make_plan(circuit, parameters, highest_output)


def price(plan: Plan | LinearPlan) -> float:
    """Microseconds of an evaluation in NumPy: key switches, scheme switches, and products with their forms."""
    if isinstance(plan, LinearPlan):
        return plan.price
    return row_price(plan)


def row_price(plan: Plan) -> float:
    """As `price`, of bits."""
    layout = plan.layout
    return 77.0 * len(layout.leaf_bits) + 47.0 * layout.selector_leaves + 92.0 * (plan.products + 1) + 1000.0


def write_program(circuit: Circuit, plan: Plan | LinearPlan, directory: Path) -> LevelledProgram:
    """Write a program; raises InvalidInputError where `directory` is not empty."""
    write_planned(circuit, plan.parameters, price(plan), directory)
    return LevelledProgram(directory, plan.parameters, price(plan))


def read_program(directory: Path) -> LevelledProgram:
    """What `write_program` has written; raises as `Program.load`."""
    return LevelledProgram(directory, *read_planned(LevelledParameters, directory))
