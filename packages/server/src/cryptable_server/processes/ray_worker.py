"""RayWorker: the evaluation worker as a Ray actor, in a process of its own on some machine of a cluster."""

from __future__ import annotations

import importlib
import os
import resource
from pathlib import Path
from typing import Any

from cryptable_server.processes.limits import limit_memory
from cryptable_server.processes.messages import facts_of, message_of


class RayWorker:
    """What `worker.main` is to a pipe, for calls of a cluster: the same Worker, with the same answers."""

    def __init__(self, *, threads: int, key_memory_bytes: int, memory_bytes: int | None) -> None:
        """Load the engine, in the actor's own process.

        Args:
            threads: for one evaluation.
            key_memory_bytes: for expanded evaluation keys.
            memory_bytes: address space, above what Ray has taken for itself; None: no limit.
        """
        os.environ["OMP_NUM_THREADS"] = str(threads)  # before the engine is loaded, which reads it then
        if memory_bytes is not None:
            limit_memory(_address_space() + memory_bytes)
        # By its name: the front has this class too, for its signature, and never loads native cryptography.
        self._module: Any = importlib.import_module("cryptable_server.processes.worker")
        self._worker = self._module.Worker(key_memory_bytes=key_memory_bytes)

    def tell(self, facts: dict[str, Any]) -> None:
        """Do what a note says; programs are in a directory that all machines share."""
        self._worker.tell(message_of(facts))

    def place(self) -> tuple[int, str]:
        """Where it is: this process, and Ray's id of this machine."""
        ray = importlib.import_module("ray")
        return os.getpid(), str(ray.get_runtime_context().get_node_id())

    def evaluate(self, facts: dict[str, Any], tensor: bytes) -> tuple[dict[str, Any], bytes]:
        """What the worker makes of a row, or why it could not."""
        answer, block = self._module.answer(self._worker, message_of(facts), tensor)
        return facts_of(answer), block


def _address_space() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
