"""SquaresProgram: a circuit and its parameters in a folder; there is nothing else to compile."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cryptable_protocol import InternalError, MalformedMessageError, limits
from cryptable_protocol.messages import client_spec as pb
from cryptable_protocol.schemes.scheme import SQUARES
from cryptable_protocol.schemes.squares.keyset import CHAINS
from cryptable_protocol.schemes.squares.parameters import SquaresParameters
from cryptable_protocol.wire.canonical import from_canonical_bytes, to_canonical_bytes

from cryptable_engine.circuit.bounds import highest_output
from cryptable_engine.circuit.circuit import Circuit
from cryptable_engine.circuit.verifier import verify
from cryptable_engine.errors import UnsupportedProgramError
from cryptable_engine.schemes.folder import load_record, save_record, written_whole
from cryptable_engine.schemes.scheme import Program
from cryptable_engine.schemes.squares.network import read_network
from cryptable_engine.schemes.squares.plan import Gather, Plan, choose_gathers, make_plan

_CIRCUIT, _PARAMETERS = "circuit.bin", "parameters.bin"
_MICROSECONDS = {
    1: (900.0, 110.0, 7000.0),
    2: (900.0, 110.0, 7000.0),
    3: (4000.0, 400.0, 30000.0),
    4: (5500.0, 480.0, 40000.0),
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
        try:
            circuit = Circuit.from_bytes((self.directory / _CIRCUIT).read_bytes())
        except OSError as error:
            raise UnsupportedProgramError(f"program: it has no {_CIRCUIT} ({error}); compile it again") from error
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
    message = pb.ClientSpec()
    plan.parameters.write(message)
    with written_whole(directory) as made:
        (made / _CIRCUIT).write_bytes(circuit.to_bytes())
        (made / _PARAMETERS).write_bytes(to_canonical_bytes(message))
        save_record(made, SQUARES, {"price": price(plan)})
    return SquaresProgram(directory, plan.parameters, price(plan))


def read_program(directory: Path) -> SquaresProgram:
    """What `write_program` has written; raises as `Program.load`."""
    record = load_record(directory)
    try:
        data = (directory / _PARAMETERS).read_bytes()
        message = from_canonical_bytes(pb.ClientSpec, data, limit=limits.MAX_CLIENT_SPEC_BYTES, what=_PARAMETERS)
        parameters = SquaresParameters.read(message)
        if parameters is None:
            raise MalformedMessageError("it has no parameters of the scheme squares")
        return SquaresProgram(directory, parameters, float(record["price"]))
    except (OSError, KeyError, TypeError, ValueError, MalformedMessageError) as error:
        raise UnsupportedProgramError(f"program: {directory} is damaged ({error}); compile it again") from error
