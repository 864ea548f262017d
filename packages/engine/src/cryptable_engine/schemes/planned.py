"""Programs of schemes without a compiler: a folder with circuit and parameters, of which a plan is made anew."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cryptable_protocol import MalformedMessageError, limits
from cryptable_protocol.messages import client_spec as pb
from cryptable_protocol.schemes.scheme import SchemeParameters
from cryptable_protocol.wire.canonical import from_canonical_bytes, to_canonical_bytes

from cryptable_engine.circuit.circuit import Circuit
from cryptable_engine.errors import UnsupportedProgramError
from cryptable_engine.schemes.folder import load_record, save_record, written_whole

_CIRCUIT, _PARAMETERS = "circuit.bin", "parameters.bin"


def write_planned(
    circuit: Circuit,
    parameters: SchemeParameters,
    price: float,
    directory: Path,
    *,
    more: Mapping[str, object] | None = None,
) -> None:
    """Write a program, with `more` in its record; raises InvalidInputError where `directory` is not empty."""
    message = pb.ClientSpec()
    parameters.write(message)
    with written_whole(directory) as made:
        (made / _CIRCUIT).write_bytes(circuit.to_bytes())
        (made / _PARAMETERS).write_bytes(to_canonical_bytes(message))
        save_record(made, parameters.scheme, {"price": price, **(more or {})})


def read_planned(own: type[SchemeParameters], directory: Path) -> tuple[SchemeParameters, float]:
    """Parameters of the scheme that `own` reads, and the price, as `write_planned` has written them.

    Raises:
        CompilationError: there is no record.
        UnsupportedProgramError: the folder is damaged, or of another version or scheme.
    """
    record = load_record(directory)
    try:
        data = (directory / _PARAMETERS).read_bytes()
        message = from_canonical_bytes(pb.ClientSpec, data, limit=limits.MAX_CLIENT_SPEC_BYTES, what=_PARAMETERS)
        parameters = own.read(message)
        if parameters is None:
            raise MalformedMessageError(f"it has no parameters of the scheme {own.scheme}")
        return parameters, float(record["price"])
    except (OSError, KeyError, TypeError, ValueError, MalformedMessageError) as error:
        raise UnsupportedProgramError(f"program: {directory} is damaged ({error}); compile it again") from error


def read_circuit(directory: Path) -> Circuit:
    """The circuit of a program.

    Raises:
        UnsupportedProgramError: it is gone.
    """
    try:
        return Circuit.from_bytes((directory / _CIRCUIT).read_bytes())
    except OSError as error:
        raise UnsupportedProgramError(f"program: it has no {_CIRCUIT} ({error}); compile it again") from error
