"""The child process of `compiler`: reads a circuit's bytes, verifies it again, prints its MLIR and compiles that.

Run by `compiler` with the arguments ADDRESS_SPACE_BYTES CPU_SECONDS MODE OPTIONS, where MODE is `catalogue` (an entry
of the catalogue may be taken), `encrypted`, `promised` (as `encrypted`, and any GLWE dimension may be chosen) or
`simulation`, and OPTIONS is what `options_to_json` makes; writes into the current directory.
"""

from __future__ import annotations

import resource
import sys

from cryptable_protocol import CryptableError

from cryptable_engine.circuit.circuit import Circuit
from cryptable_engine.errors import CircuitError
from cryptable_engine.schemes.bootstrapped.compiling.compiler import FAILED, REFUSED, options_from_json
from cryptable_engine.schemes.bootstrapped.compiling.keyset_choice import compile_onto_keyset


def main(arguments: list[str]) -> int:
    """Returns the exit status; what went wrong is the last line on standard error."""
    address_space, cpu_seconds, mode, options = arguments
    if sys.platform == "linux":  # macOS does not enforce it, and refuses to set it
        _limit(resource.RLIMIT_AS, int(address_space))
    _limit(resource.RLIMIT_CPU, int(cpu_seconds))
    _limit(resource.RLIMIT_CORE, 0)
    try:
        circuit = Circuit.from_bytes(sys.stdin.buffer.read())
        compile_onto_keyset(
            circuit,
            options_from_json(options),
            catalogue=mode == "catalogue",
            simulation=mode == "simulation",
            any_glwe_dimension=mode == "promised",
        )
    except CircuitError as error:
        return _report(error, REFUSED)
    except CryptableError as error:
        return _report(error, FAILED)
    return 0


def _limit(kind: int, value: int) -> None:
    """Never above what the process was started with."""
    _, hard = resource.getrlimit(kind)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (value, hard))


def _report(error: CryptableError, status: int) -> int:
    print(str(error).replace("\n", " "), file=sys.stderr)  # noqa: T201
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
