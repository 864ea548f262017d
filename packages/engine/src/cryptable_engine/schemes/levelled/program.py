"""LevelledProgram: a circuit and its parameters in a folder; there is nothing else to compile."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cryptable_protocol import InternalError, MalformedMessageError, limits
from cryptable_protocol.messages import client_spec as pb
from cryptable_protocol.schemes.levelled.parameters import LevelledParameters
from cryptable_protocol.schemes.scheme import LEVELLED
from cryptable_protocol.wire.canonical import from_canonical_bytes, to_canonical_bytes

from cryptable_engine.circuit.bounds import highest_output
from cryptable_engine.circuit.circuit import Circuit
from cryptable_engine.circuit.verifier import verify
from cryptable_engine.errors import UnsupportedProgramError
from cryptable_engine.schemes.folder import load_record, save_record, written_whole
from cryptable_engine.schemes.levelled.plans.plan import Plan, make_plan
from cryptable_engine.schemes.scheme import Program

_CIRCUIT, _PARAMETERS = "circuit.bin", "parameters.bin"


@dataclass(frozen=True)
class LevelledProgram(Program):
    """`price` is in microseconds of one core, as NumPy takes them."""

    @property
    def levelled(self) -> LevelledParameters:
        """Its parameters."""
        if not isinstance(self.parameters, LevelledParameters):
            raise InternalError(f"parameters of class {type(self.parameters).__name__}, expected levelled ones")
        return self.parameters

    @cached_property
    def plan(self) -> Plan:
        """Of the circuit in its folder."""
        try:
            circuit = Circuit.from_bytes((self.directory / _CIRCUIT).read_bytes())
        except OSError as error:
            raise UnsupportedProgramError(f"program: it has no {_CIRCUIT} ({error}); compile it again") from error
        return make_plan(circuit, self.levelled, highest_output(circuit, verify(circuit)))


def price(plan: Plan) -> float:
    """Microseconds of an evaluation in NumPy: key switches, scheme switches, and products with their forms."""
    layout = plan.layout
    return 77.0 * len(layout.leaf_bits) + 47.0 * layout.selector_leaves + 92.0 * (plan.products + 1) + 1000.0


def write_program(circuit: Circuit, plan: Plan, directory: Path) -> LevelledProgram:
    """Write a program; raises InvalidInputError where `directory` is not empty."""
    message = pb.ClientSpec()
    plan.parameters.write(message)
    with written_whole(directory) as made:
        (made / _CIRCUIT).write_bytes(circuit.to_bytes())
        (made / _PARAMETERS).write_bytes(to_canonical_bytes(message))
        save_record(made, LEVELLED, {"price": price(plan)})
    return LevelledProgram(directory, plan.parameters, price(plan))


def read_program(directory: Path) -> LevelledProgram:
    """What `write_program` has written; raises as `Program.load`."""
    record = load_record(directory)
    try:
        data = (directory / _PARAMETERS).read_bytes()
        message = from_canonical_bytes(pb.ClientSpec, data, limit=limits.MAX_CLIENT_SPEC_BYTES, what=_PARAMETERS)
        parameters = LevelledParameters.read(message)
        if parameters is None:
            raise MalformedMessageError("it has no levelled parameters")
        return LevelledProgram(directory, parameters, float(record["price"]))
    except (OSError, KeyError, TypeError, ValueError, MalformedMessageError) as error:
        raise UnsupportedProgramError(f"program: {directory} is damaged ({error}); compile it again") from error
