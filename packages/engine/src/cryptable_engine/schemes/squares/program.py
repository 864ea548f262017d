"""SquaresProgram: a circuit and its parameters in a folder; there is nothing else to compile."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cryptable_protocol import InternalError
from cryptable_protocol.schemes.squares.bulk_parameters import BulkParameters
from cryptable_protocol.schemes.squares.keyset import CHAINS
from cryptable_protocol.schemes.squares.parameters import SquaresParameters

from cryptable_engine.circuit.bounds import highest_output
from cryptable_engine.circuit.circuit import Circuit
from cryptable_engine.circuit.verifier import verify
from cryptable_engine.schemes.planned import read_circuit, read_planned, write_planned
from cryptable_engine.schemes.scheme import Program
from cryptable_engine.schemes.squares.bulk.program import BulkProgram
from cryptable_engine.schemes.squares.network import read_network
from cryptable_engine.schemes.squares.plan import Gather, Plan, choose_gathers, make_plan

_MICROSECONDS = {
    1: (900.0, 110.0, 7000.0),
    2: (900.0, 110.0, 7000.0),
    3: (4000.0, 400.0, 30000.0),
    4: (5500.0, 480.0, 40000.0),
    5: (3000.0, 320.0, 22000.0),
}
"""By chain, of one core: a rotation, a product with a plaintext, and a square with what else is done once."""


@dataclass(frozen=True)
class SquaresProgram(Program):
    """`price` is in microseconds of one core."""

    @property
    def squares(self) -> SquaresParameters:
        """Its parameters."""
        if not isinstance(self.parameters, SquaresParameters):
            raise InternalError(f"parameters of class {type(self.parameters).__name__}, expected those of squares")
        return self.parameters

    @cached_property
    def plan(self) -> Plan:
        """Of the circuit in its folder."""
        circuit = read_circuit(self.directory)
        return make_plan(read_network(circuit), self.squares, highest_output(circuit, verify(circuit)))


def layers_price(circuit: Circuit) -> float:
    """Microseconds of one modulus, in the smallest ring with room, before parameters are chosen; infinite in none."""
    network = read_network(circuit)
    for number in sorted(CHAINS):
        gathers = choose_gathers(CHAINS[number].ring_size, network)
        if gathers is not None:
            return _of_one_modulus(number, gathers[1])
    return math.inf


def _of_one_modulus(number: int, gathers: tuple[Gather, ...]) -> float:
    rotation, product, once = _MICROSECONDS[number]
    return once + sum(rotation * each.rotations + product * each.diagonals + once for each in gathers)


def price(plan: Plan) -> float:
    """Microseconds of an evaluation, all moduli together."""
    parameters = plan.parameters
    return len(parameters.moduli) * _of_one_modulus(parameters.keyset.number, plan.gathers)


def write_program(circuit: Circuit, plan: Plan, directory: Path) -> SquaresProgram:
    """Write a program; raises InvalidInputError where `directory` is not empty."""
    write_planned(circuit, plan.parameters, price(plan), directory)
    return SquaresProgram(directory, plan.parameters, price(plan))


def read_program(directory: Path) -> SquaresProgram | BulkProgram:
    """What `write_program` has written, this or that for rows in bulk; raises as `Program.load`."""
    parameters, price = read_planned(SquaresParameters, directory)
    kind = BulkProgram if isinstance(parameters, BulkParameters) else SquaresProgram
    return kind(directory, parameters, price)
