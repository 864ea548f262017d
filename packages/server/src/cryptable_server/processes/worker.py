"""The evaluation worker: the one process that runs native cryptography. Started by LocalExecutor, never by hand.

python -m cryptable_server.processes.worker DESCRIPTOR PARENT_PID KEY_MEMORY_BYTES MEMORY_BYTES
"""

from __future__ import annotations

import hashlib
import sys
import time
from pathlib import Path

from cryptable_engine import Evaluator, Program, ServerKeys, trim_seconds
from cryptable_protocol import CryptableError

from cryptable_server.errors import KeysCorruptedError, KeysNotFoundError
from cryptable_server.processes.channel import Channel
from cryptable_server.processes.key_cache import KeyCache
from cryptable_server.processes.limits import die_with_parent, ignore_terminal_signals, limit_memory
from cryptable_server.processes.messages import (
    FAILURES,
    Done,
    Evaluate,
    Failed,
    Forget,
    KeysFile,
    Load,
    Note,
    Ready,
    Report,
    Unload,
)

_BLOCK_BYTES = 1 << 20
_DELETED = "these evaluation keys have been deleted; upload them again"
_NAMES: dict[type[Exception], str] = {kind: name for name, kind in FAILURES.items()}


class Worker:
    """Evaluates rows, one at a time, with programs and keys that it keeps in memory."""

    def __init__(self, *, key_memory_bytes: int) -> None:
        self._evaluators: dict[str, Evaluator] = {}
        self._keys: KeyCache[ServerKeys] = KeyCache(key_memory_bytes)

    def load(self, program: str) -> Evaluator:
        """The evaluator of a program, loaded if need be."""
        evaluator = self._evaluators.get(program)
        if evaluator is None:
            evaluator = self._evaluators[program] = Evaluator(Program.load(Path(program)))
        return evaluator

    def tell(self, note: Note) -> None:
        """Do what a note says."""
        match note:
            case Load():
                self.load(note.program)
            case Unload():
                self._evaluators.pop(note.program, None)
            case Forget():
                self._keys.drop(note.name)

    def free_memory(self) -> None:
        """Drop all keys; those that are needed again are read again."""
        self._keys.clear()

    def evaluate(self, request: Evaluate, tensor: bytes) -> tuple[Done, bytes]:
        """One row, or a part of one: how it went, and the canonical EncryptedTensor."""
        evaluator = self.load(request.program)
        began = time.perf_counter()
        cached, keys = None, None
        if request.keys is not None:
            held = request.keys.name in self._keys
            keys = self._load_keys(evaluator, request.keys, request.part)
            cached = not evaluator.prepare(keys, request.part) and held
        key_seconds = time.perf_counter() - began
        wall, cpu, trim = time.perf_counter(), time.process_time(), trim_seconds()
        if request.tensor_file and keys is not None:
            result = evaluator.evaluate_file(request.tensor_file, keys)
        else:
            result = evaluator.evaluate_row(tensor, keys, part=request.part)
        done = Done(
            cpu_seconds=time.process_time() - cpu,
            wall_seconds=time.perf_counter() - wall,
            trim_seconds=trim_seconds() - trim,
            key_seconds=key_seconds,
            keys_cached=cached,
            lookups=evaluator.program.lookups,
        )
        return done, result

    def _load_keys(self, evaluator: Evaluator, file: KeysFile, part: int | None) -> ServerKeys:
        path = Path(file.location)

        def load() -> ServerKeys:
            if _sha256(path) != file.sha256:
                raise KeysCorruptedError("the stored evaluation keys are damaged; upload them again")
            try:
                return evaluator.load_keys(path, part=part)
            except FileNotFoundError as error:  # since they were looked at a moment ago
                raise KeysNotFoundError(_DELETED) from error

        return self._keys.get(file.name, file.memory_bytes, load)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                digest.update(block)
    except FileNotFoundError as error:
        raise KeysNotFoundError(_DELETED) from error
    return digest.hexdigest()


def main() -> int:
    """Answer requests until the front closes the channel."""
    descriptor, parent, key_memory_bytes, memory_bytes = map(int, sys.argv[1:])
    die_with_parent(parent)
    ignore_terminal_signals()
    limit_memory(memory_bytes or None)
    channel = Channel(descriptor)
    worker = Worker(key_memory_bytes=key_memory_bytes)
    while True:
        try:
            request, tensor = channel.receive()
        except EOFError:
            return 0
        match request:
            case Load() | Unload() | Forget():
                worker.tell(request)
            case Report():
                channel.send(Ready())
            case Evaluate():
                channel.send(*answer(worker, request, tensor))


def answer(worker: Worker, request: Evaluate, tensor: bytes) -> tuple[Done | Failed, bytes]:
    """What `worker` makes of a row, or why it could not."""
    try:
        return worker.evaluate(request, tensor)
    except (CryptableError, MemoryError, RuntimeError, OSError) as error:
        if isinstance(error, MemoryError):
            worker.free_memory()  # else rows of others, whose programs are yet to be loaded, would fail with it
        message = str(error) if isinstance(error, CryptableError) else f"{type(error).__name__} in the engine"
        return Failed(_NAMES.get(type(error), "failed"), message), b""


if __name__ == "__main__":
    sys.exit(main())
