"""SquaresProgram: a circuit and its parameters in a folder; there is nothing else to compile."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from cryptable_protocol import InternalError
from cryptable_protocol.schemes.squares.keyset import CHAINS
from cryptable_protocol.schemes.squares.parameters import SquaresParameters

from cryptable_engine.circuit.bounds import highest_output
from cryptable_engine.circuit.circuit import Circuit
from cryptable_engine.circuit.verifier import verify
from cryptable_engine.errors import UnsupportedProgramError
from cryptable_engine.schemes.folder import load_record
from cryptable_engine.schemes.planned import read_circuit, read_planned, write_planned
from cryptable_engine.schemes.scheme import Program
from cryptable_engine.schemes.squares.bulk.program import BulkProgram
from cryptable_engine.schemes.squares.network import read_network
from cryptable_engine.schemes.squares.plan import Flooding, Gather, Plan, choose_gathers, make_plan

_MICROSECONDS = {
    1: (900.0, 110.0, 7000.0),
    2: (900.0, 110.0, 7000.0),
    3: (4000.0, 400.0, 30000.0),
    4: (5500.0, 480.0, 40000.0),
    5: (3000.0, 320.0, 22000.0),
}
"""By chain, of one core: a rotation, a product with a plaintext, and a square with what else is done once."""
_FLOOD = 4000.0
"""Of a modulus in the ring of 8192: drawing what floods an answer, and hiding it modulo more primes than one."""


_FLOODING = "flooding"
"""In the record: bits, then magnitudes."""


@dataclass(frozen=True)
class SquaresProgram(Program):
    """`price` is in microseconds of one core."""

    flooding: Flooding | None = None

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
        plan = make_plan(read_network(circuit), self.squares, highest_output(circuit, verify(circuit)))
        return replace(plan, flooding=self.flooding)


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
    flood = 0.0 if plan.flooding is None else _FLOOD * parameters.keyset.ring_size / 8192
    return len(parameters.moduli) * (flood + _of_one_modulus(parameters.keyset.number, plan.gathers))


def write_program(circuit: Circuit, plan: Plan, directory: Path) -> SquaresProgram:
    """Write a program; raises InvalidInputError where `directory` is not empty."""
    flooding = plan.flooding
    more = {} if flooding is None else {_FLOODING: [flooding.bits, *flooding.magnitudes]}
    write_planned(circuit, plan.parameters, price(plan), directory, more=more)
    return SquaresProgram(directory, plan.parameters, price(plan), flooding=flooding)


def read_program(directory: Path) -> SquaresProgram | BulkProgram:
    """What `write_program` has written, this or that for rows in bulk; raises as `Program.load`."""
    parameters, price = read_planned(SquaresParameters, directory)
    if not isinstance(parameters, SquaresParameters):
        return BulkProgram(directory, parameters, price)
    return SquaresProgram(directory, parameters, price, flooding=_read_flooding(directory, len(parameters.moduli)))


def _read_flooding(directory: Path, moduli: int) -> Flooding | None:
    numbers = load_record(directory).get(_FLOODING)
    if numbers is None:
        return None
    if not isinstance(numbers, list) or len(numbers) != 1 + moduli or not all(type(each) is int for each in numbers):
        raise UnsupportedProgramError(f"program: {directory} is damaged ({_FLOODING}: {numbers}); compile it again")
    bits, *magnitudes = numbers
    return Flooding(bits, tuple(magnitudes))
