"""The preparation of one artifact: verify its circuit, compile it, compare the parameters. A process of its own.

    python -m cryptable_server.processes.preparation ARTIFACT SHA256 PROGRAM_DIRECTORY PARENT_PID SECONDS [bulk=BYTES]

With "bulk", a second program is made beside it, for rows in bulk, if a worker of so many bytes has room for what one
evaluation takes (0: of any). Writes one JSON object to standard output:
{"prepared": true, "bulk": BulkSpec in hexadecimal, or nothing} or {"refused": reason}. Nothing in an artifact reaches
the compiler except through the verifier.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cryptable_engine import (
    Circuit,
    CompilationError,
    CompileLimits,
    Evaluator,
    Program,
    compile_circuit,
    compile_in_bulk,
    least_rows_in_bulk,
    verify,
    what_to_warn_of,
)
from cryptable_protocol import CryptableError, ModelArtifact
from cryptable_protocol.limits import MAX_ARTIFACT_BYTES
from cryptable_protocol.model.bulk_spec import BulkSpec
from cryptable_protocol.schemes.squares.bulk_parameters import BulkParameters

from cryptable_server.errors import ArtifactRefusedError
from cryptable_server.files.regular_files import read_regular
from cryptable_server.processes.entry_points import bulk_program
from cryptable_server.processes.limits import die_with_parent, limit_memory

_WORKER_BYTES = 300 << 20
"""Of a worker's address space, what it takes in any case."""
_REMOVALS = 20
_REMOVAL_SECONDS = 0.05


def prepare(artifact: ModelArtifact, directory: Path, limits: CompileLimits, stop: _Stop) -> None:
    """Leave the compiled program of `artifact` in `directory`, from an earlier run if it is there already.

    Raises:
        CryptableError: the circuit breaks a rule, cannot be compiled, or compiles to other parameters than the client
            specification's.
    """
    spec = artifact.client_spec
    circuit = Circuit.from_bytes(artifact.circuit)
    verify(circuit, spec)
    if message := what_to_warn_of(circuit, spec):
        logging.getLogger(__name__).warning("%s", message)
    if directory.exists():
        try:
            Program.load(directory).check_spec(spec)
        except CryptableError as error:
            logging.getLogger(__name__).warning("a cached program is compiled again: %s", error)
            shutil.rmtree(directory)
        else:
            return
    with stop.scratch(directory.parent) as scratch:
        options = artifact.compile_options
        program = compile_circuit(circuit, options, scratch / "program", promised=spec.parameters, limits=limits)
        program.write_batches()
        try:
            program.directory.rename(directory)
        except OSError:
            # Another server with the same directory of programs was faster.
            Program.load(directory).check_spec(spec)


def prepare_bulk(artifact: ModelArtifact, directory: Path, stop: _Stop, worker_bytes: int) -> str:
    """Leave a program for rows in bulk beside that in `directory`, if there can be one: its BulkSpec, else nothing.

    There is none whose evaluation would take more memory than a worker has (0: any).
    """
    spec, circuit = artifact.client_spec, Circuit.from_bytes(artifact.circuit)
    if not (circuit.products or circuit.squares) or artifact.compile_options.flooding_bits:  # bulk is not flooded
        return ""
    in_bulk = Path(bulk_program(str(directory)))
    try:
        if in_bulk.exists():
            program = Program.load(in_bulk)
        else:
            with stop.scratch(directory.parent) as scratch:
                program = compile_in_bulk(circuit, spec.p_error, scratch / "program")
                Evaluator(program)  # SEAL may be lacking
                with suppress(OSError):  # another server with the same directory of programs was faster
                    program.directory.rename(in_bulk)
        parameters = program.parameters
        if not isinstance(parameters, BulkParameters):
            return ""
        needed = program.memory_bytes + parameters.key_memory_bytes + _WORKER_BYTES
        if worker_bytes and needed > worker_bytes:
            raise CompilationError(
                f"bulk: an evaluation takes about {needed / 1e6:.0f} MB in a worker, and --worker-memory is "
                f"{worker_bytes / 1e6:.0f} MB"
            )
        rows = least_rows_in_bulk(spec, Program.load(directory).price, parameters, program.price)
        if rows is None:
            raise CompilationError("bulk: a full tensor is more work than its rows are alone")
        return BulkSpec.of(spec, parameters, rows).to_bytes().hex()
    except CryptableError as error:
        logging.getLogger(__name__).info("not evaluated in bulk: %s", error)
        return ""


class _Stop:
    """Ends this process on SIGTERM, but not while its scratch directory is made or removed."""

    def __init__(self) -> None:
        self._deferred = False
        self._asked = False
        signal.signal(signal.SIGTERM, self._handle)

    def _handle(self, *_: object) -> None:
        # Raised once: a second one would interrupt the cleaning up.
        if not self._asked:
            self._asked = True
            self.check()

    def check(self) -> None:
        """End, if that was asked for and can be done now."""
        if self._asked and not self._deferred:
            raise SystemExit(1)

    @contextmanager
    def scratch(self, parent: Path) -> Iterator[Path]:
        """A directory that goes with the block. A signal mask would not do: other threads could take the signal."""
        self._deferred = True
        path = Path(tempfile.mkdtemp(prefix=".", dir=parent))
        try:
            self._deferred = False
            self.check()
            yield path
        finally:
            self._deferred = True
            _remove(path)
            self._deferred = False
            self.check()


def _remove(path: Path) -> None:
    # A killed compiler's linker may write until it has ended too.
    for _ in range(_REMOVALS):
        shutil.rmtree(path, ignore_errors=True)
        if not path.exists():
            return
        time.sleep(_REMOVAL_SECONDS)


def main() -> int:
    """Prepare what the command line names."""
    source, digest, directory, parent, seconds, *more = sys.argv[1:]
    # Not by SIGKILL: the compiler, a child of this process, and its files are to go as well.
    stop = _Stop()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with_parent(int(parent), by=signal.SIGTERM)
    limits = CompileLimits(wall_seconds=float(seconds))
    limit_memory(limits.address_space_bytes)
    # Native code may print: standard output is for the answer alone.
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    try:
        artifact = ModelArtifact.from_bytes(read_regular(Path(source), most=MAX_ARTIFACT_BYTES)[0])
        if artifact.digest.hex() != digest:
            raise ArtifactRefusedError("the file changed while it was read")
        prepare(artifact, Path(directory), limits, stop)
        bulk = prepare_bulk(artifact, Path(directory), stop, int(more[0].removeprefix("bulk="))) if more else ""
        outcome: dict[str, object] = {"prepared": True, "bulk": bulk}
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
