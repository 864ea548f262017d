"""The preparation of one artifact: verify its circuit, compile it, compare the parameters. A process of its own.

    python -m cryptable_server.preparation ARTIFACT SHA256 PROGRAM_DIRECTORY PARENT_PID SECONDS

Writes one JSON object to standard output: {"prepared": true} or {"refused": reason}. Nothing in an artifact reaches
the compiler except through the verifier.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import NoReturn

from cryptable_engine import Circuit, CompileLimits, Program, ProgramMismatchError, compile_circuit, verify
from cryptable_protocol import CryptableError, InvalidInputError, ModelArtifact

from cryptable_server.errors import ArtifactRefusedError
from cryptable_server.process_limits import die_with_parent, limit_memory


def prepare(artifact: ModelArtifact, directory: Path, limits: CompileLimits) -> None:
    """Leave the compiled program of `artifact` in `directory`, from an earlier run if it is there already.

    Raises:
        CryptableError: the circuit breaks a rule, cannot be compiled, or compiles to other parameters than the client
            specification's.
    """
    spec = artifact.client_spec
    circuit = Circuit.from_bytes(artifact.circuit)
    verify(circuit, spec)
    if directory.exists():
        try:
            Program.load(directory).check_spec(spec)
        except CryptableError as error:
            logging.getLogger(__name__).warning("a cached program is compiled again: %s", error)
            shutil.rmtree(directory)
        else:
            return
    try:
        program = compile_circuit(circuit, artifact.compile_options, directory, limits=limits)
    except (InvalidInputError, OSError):
        # Another server with the same directory of programs may have been faster.
        program = Program.load(directory)
    try:
        program.check_spec(spec)
    except ProgramMismatchError:
        shutil.rmtree(directory)
        raise


def _stop(*_: object) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one would interrupt the cleaning up
    raise SystemExit(1)


def main() -> int:
    """Prepare what the command line names."""
    source, digest, directory, parent, seconds = sys.argv[1:]
    # Not by SIGKILL: the compiler, a child of this process, and its files are to go as well.
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with_parent(int(parent), by=signal.SIGTERM)
    limits = CompileLimits(wall_seconds=float(seconds))
    limit_memory(limits.address_space_bytes)
    # Native code may print: standard output is for the answer alone.
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    try:
        artifact = ModelArtifact.load(source)
        if artifact.digest.hex() != digest:
            raise ArtifactRefusedError("the file changed while it was read")
        prepare(artifact, Path(directory), limits)
        outcome: dict[str, object] = {"prepared": True}
    except CryptableError as error:
        outcome = {"refused": str(error)}
    except OSError as error:
        outcome = {"refused": f"{error.filename or directory}: {error.strerror}"}
    except MemoryError:
        outcome = {"refused": "it needs more memory than a compilation may take"}
    with answer:
        json.dump(outcome, answer)
    return 0


if __name__ == "__main__":
    sys.exit(main())
