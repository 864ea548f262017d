"""RayLink: a WorkerLink to an actor on a Ray cluster."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import ray
from cryptable_protocol import InternalError
from ray.exceptions import ActorUnavailableError, GetTimeoutError, RayError

from cryptable_server.errors import ExecutorError
from cryptable_server.executors.link import WorkerLostError, WorkerSilentError
from cryptable_server.processes.messages import Done, Evaluate, Failed, Load, Note, facts_of, message_of
from cryptable_server.processes.ray_worker import RayWorker
from cryptable_server.settings.worker_config import WorkerConfig

_LOOK_SECONDS = 0.5
"""Between two looks whether the server is being stopped, while a worker comes up."""
_NODE_SECONDS = 5.0
"""A cluster notices that a machine is gone later than that its actors are."""


class RayLink:
    """See WorkerLink. The actor may be on any machine that has a free core for each of its threads."""

    def __init__(self, index: int, config: WorkerConfig) -> None:
        self._index = index
        self._config = config
        self._actor: Any = None
        self._node = ""
        self._pid: int | None = None
        self._killed = False

    @property
    def pid(self) -> int | None:
        """See WorkerLink."""
        return self._pid

    @property
    def node(self) -> str:
        """Ray's id of the machine that it is on."""
        return self._node

    def start(self, programs: Sequence[str]) -> None:
        """See WorkerLink."""
        self.end()
        config = self._config
        # An actor that dies is made anew here, not by Ray: the front must know, for what was in its memory.
        options = ray.remote(RayWorker).options(
            num_cpus=config.threads, max_restarts=0, max_task_retries=0, scheduling_strategy="SPREAD"
        )
        self._actor = options.remote(
            threads=config.threads, key_memory_bytes=config.key_memory_bytes, memory_bytes=config.memory_bytes
        )
        loaded = [self._actor.tell.remote(facts_of(Load(program))) for program in programs]
        try:
            pid, self._node = self._when_ready([*loaded, self._actor.place.remote()])
        except RayError as error:
            self.end()
            raise ExecutorError(
                f"evaluation worker {self._index} does not come up on the cluster: {_first_line(error)}; every machine "
                "needs cryptable-server[ray], and the directories of keys and programs under the same paths"
            ) from error
        self._pid = pid

    def evaluate(self, request: Evaluate, tensor: bytes) -> tuple[Done | Failed, bytes]:
        """See WorkerLink."""
        if self._actor is None:
            raise InternalError("a worker without an actor")
        try:
            facts, block = ray.get(
                self._actor.evaluate.remote(facts_of(request), tensor),
                timeout=self._config.evaluation_seconds * request.rows,
            )
        except GetTimeoutError as error:
            self.end()
            raise WorkerSilentError from error
        except RayError as error:
            lost = not self._killed and (isinstance(error, ActorUnavailableError) or self._node_is_lost())
            self.end()
            how = "with its machine" if lost else f"({_first_line(error)})"
            raise WorkerLostError(how, innocent=lost) from error
        answer = message_of(facts)
        if not isinstance(answer, Done | Failed):
            raise InternalError(f"a worker answered a row with {type(answer).__name__}")
        return answer, block

    def tell(self, note: Note) -> None:
        """See WorkerLink."""
        if self._pid is None:
            return
        self._actor.tell.remote(facts_of(note))

    def kill(self) -> None:
        """See WorkerLink."""
        self._killed = True
        if self._actor is not None:
            ray.kill(self._actor)

    def end(self) -> None:
        """See WorkerLink."""
        self._pid = None
        actor, self._actor = self._actor, None
        if actor is not None:
            ray.kill(actor)

    def _when_ready(self, waited_for: list[Any]) -> tuple[int, str]:
        began = time.monotonic()
        while not self._killed:
            left = began + self._config.start_seconds - time.monotonic()
            done, _ = ray.wait(waited_for, num_returns=len(waited_for), timeout=_LOOK_SECONDS)
            if len(done) == len(waited_for):
                *_, place = ray.get(waited_for)
                return int(place[0]), str(place[1])
            if left <= 0:
                break
        self.end()
        raise ExecutorError(
            f"evaluation worker {self._index} did not come up in {self._config.start_seconds:g} s: no machine of the "
            f"cluster has {self._config.threads} free cores, or its log says more"
        )

    def _node_is_lost(self) -> bool:
        end = time.monotonic() + _NODE_SECONDS
        while time.monotonic() < end:
            nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
            alive = {node["NodeID"] for node in nodes if node["Alive"]}
            if self._node not in alive:
                return True
            time.sleep(_LOOK_SECONDS)
        return False


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
