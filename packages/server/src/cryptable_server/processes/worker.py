"""The evaluation worker: the one process that runs native cryptography. Started by LocalExecutor, never by hand.

python -m cryptable_server.processes.worker DESCRIPTOR PARENT_PID KEY_MEMORY_BYTES MEMORY_BYTES
"""

from __future__ import annotations

import hashlib
import sys
import time
from pathlib import Path
from typing import Any

from cryptable_engine import Evaluator, Program, ServerKeys
from cryptable_protocol import CryptableError, EncryptedTensor
from cryptable_protocol.schemes.bootstrapped.trimming import answer_word_bits

from cryptable_server.errors import KeysCorruptedError, KeysNotFoundError, KeysTooLargeError
from cryptable_server.processes.channel import Channel
from cryptable_server.processes.key_cache import KeyCache
from cryptable_server.processes.limits import die_with_parent, ignore_terminal_signals, limit_memory

_BLOCK_BYTES = 1 << 20
_ERROR_NAMES: dict[type[Exception], str] = {
    KeysNotFoundError: "keys_not_found",
    KeysCorruptedError: "keys_corrupted",
    KeysTooLargeError: "keys_too_large",
}


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

    def evaluate(self, request: dict[str, Any], tensor: bytes) -> tuple[dict[str, Any], bytes]:
        """One row: the facts of the answer, and the canonical EncryptedTensor."""
        evaluator = self.load(request["program"])
        began = time.perf_counter()
        cached, keys = None, None
        if "keys" in request:
            cached = request["keys"]["name"] in self._keys
            keys = self._load_keys(evaluator, request["keys"])
        key_seconds = time.perf_counter() - began
        row = EncryptedTensor.from_bytes(tensor)
        wall, cpu = time.perf_counter(), time.process_time()
        result = evaluator.evaluate(row, keys)
        facts = {
            "done": True,
            "cpu_seconds": time.process_time() - cpu,
            "wall_seconds": time.perf_counter() - wall,
            "key_seconds": key_seconds,
            "keys_cached": cached,
            "lookups": evaluator.program.lookups,
        }
        return facts, result.trimmed(_word_bits(evaluator.program)).to_bytes()

    def forget(self, name: str) -> None:
        """Drop keys."""
        self._keys.drop(name)

    def unload(self, program: str) -> None:
        """Drop a program."""
        self._evaluators.pop(program, None)

    def _load_keys(self, evaluator: Evaluator, reference: dict[str, Any]) -> ServerKeys:
        path = Path(reference["location"])

        def load() -> ServerKeys:
            if _sha256(path) != reference["sha256"]:
                raise KeysCorruptedError("the stored evaluation keys are damaged; upload them again")
            return evaluator.load_keys(path)

        return self._keys.get(str(reference["name"]), int(reference["memory_bytes"]), load)


def _word_bits(program: Program) -> int:
    output = program.output
    return answer_word_bits(output.width, program.keyset.dimensions[output.key], program.p_error)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                digest.update(block)
    except FileNotFoundError as error:
        raise KeysNotFoundError("these evaluation keys have been deleted; upload them again") from error
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
        match request["do"]:
            case "load":
                worker.load(request["program"])
            case "report":
                channel.send({"ready": True})
            case "forget":
                worker.forget(request["name"])
            case "unload":
                worker.unload(request["program"])
            case "evaluate":
                channel.send(*answer(worker, request, tensor))


def answer(worker: Worker, request: dict[str, Any], tensor: bytes) -> tuple[dict[str, Any], bytes]:
    """What `worker` makes of a row, or why it could not."""
    try:
        return worker.evaluate(request, tensor)
    except (CryptableError, MemoryError, RuntimeError, OSError) as error:
        message = str(error) if isinstance(error, CryptableError) else f"{type(error).__name__} in the engine"
        return {"error": _ERROR_NAMES.get(type(error), "failed"), "message": message}, b""


if __name__ == "__main__":
    sys.exit(main())
