"""The child process of `compiler`: reads a circuit's bytes, verifies it again, prints its MLIR and compiles that.

Run as `python -m cryptable_engine.compile_process P_ERROR SECURITY_BITS ADDRESS_SPACE_BYTES CPU_SECONDS MODE`, where
MODE is `encrypted` or `simulation`; writes into the current directory.
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
    p_error, security_bits, address_space, cpu_seconds, mode = arguments
    if sys.platform == "linux":  # macOS does not enforce it, and refuses to set it
        _limit(resource.RLIMIT_AS, int(address_space))
    _limit(resource.RLIMIT_CPU, int(cpu_seconds))
    _limit(resource.RLIMIT_CORE, 0)
    directory = Path()
    try:
        text = to_mlir(Circuit.from_bytes(sys.stdin.buffer.read()))
        compile_mlir(
            text,
            directory,
            p_error=float(p_error),
            security_bits=int(security_bits),
            simulation=mode == "simulation",
        )
        write_record(directory, float(p_error))
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
