"""The child process of `compiler`: reads a circuit's bytes, verifies it again, prints its MLIR and compiles that.

Run as `python -m cryptable_engine.compile_process DIRECTORY P_ERROR SECURITY_BITS ADDRESS_SPACE CPU_SECONDS MODE`.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

from cryptable_protocol import CryptableError

from cryptable_engine.circuit import Circuit
from cryptable_engine.compiler import FAILED, REFUSED
from cryptable_engine.errors import CircuitError
from cryptable_engine.mlir import to_mlir
from cryptable_engine.native import compile_mlir
from cryptable_engine.program import write_record


def main(arguments: list[str]) -> int:
    """Returns the exit status; what went wrong is the last line on standard error."""
    directory, p_error, security_bits, address_space, cpu_seconds, mode = arguments
    resource.setrlimit(resource.RLIMIT_AS, (int(address_space), int(address_space)))
    resource.setrlimit(resource.RLIMIT_CPU, (int(cpu_seconds), int(cpu_seconds) + 5))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        text = to_mlir(Circuit.from_bytes(sys.stdin.buffer.read()))
        compile_mlir(
            text,
            Path(directory),
            p_error=float(p_error),
            security_bits=int(security_bits),
            simulation=mode == "simulation",
        )
        write_record(Path(directory), float(p_error))
    except CircuitError as error:
        return _report(error, REFUSED)
    except CryptableError as error:
        return _report(error, FAILED)
    return 0


def _report(error: CryptableError, status: int) -> int:
    print(str(error).replace("\n", " "), file=sys.stderr)  # noqa: T201
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
