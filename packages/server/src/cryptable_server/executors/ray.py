"""RayExecutor: evaluation workers as actors on a Ray cluster, placed by the front as those of one machine are.

A Ray cluster runs any code that whoever reaches it sends, and speaks without encryption: it belongs into a network of
its own, which nobody else can reach, and it is no boundary between tenants.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Sequence

import ray

from cryptable_server.errors import ExecutorError
from cryptable_server.executors.pool import WorkerPool
from cryptable_server.executors.ray_link import RayLink
from cryptable_server.settings.addresses import split_address
from cryptable_server.settings.worker_config import WorkerConfig

ANY_CLUSTER = "auto"
_CONNECT_SECONDS = 10.0


class RayExecutor(WorkerPool):
    """A WorkerPool of actors, which read programs and keys from directories that all machines have in common."""

    def __init__(
        self,
        config: WorkerConfig,
        *,
        address: str,
        programs: Sequence[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Join a cluster, and start workers there. See WorkerPool.

        Args:
            config: how many workers in all, and how much each may take.
            address: of the cluster, "HOST:PORT", or "auto" for one that this machine is part of.
            programs: see WorkerPool.
            clock: see WorkerPool.
        """
        if address != ANY_CLUSTER:
            _check_reachable(address)
        try:
            ray.init(address=address, log_to_driver=False, logging_level=logging.WARNING)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise ExecutorError(
                f"--ray-address {address}: there is no Ray cluster of this Ray's version and this Python's ({error})"
            ) from error
        self._links: list[RayLink] = []

        def connect(index: int) -> RayLink:
            self._links.append(RayLink(index, config))
            return self._links[-1]

        super().__init__(config, connect, programs=programs, clock=clock)

    @property
    def nodes(self) -> list[str]:
        """Ray's ids of the machines that the workers are on."""
        return [link.node for link in self._links]

    def close(self) -> None:
        """See Executor."""
        super().close()
        ray.shutdown()


def _check_reachable(address: str) -> None:
    # Ray itself would go on trying for minutes.
    try:
        with socket.create_connection(split_address(address), timeout=_CONNECT_SECONDS):
            pass
    except ValueError as error:
        raise ExecutorError(f"--ray-address {address} {error}; {ANY_CLUSTER}: this machine's cluster") from error
    except OSError as error:
        raise ExecutorError(
            f"--ray-address {address}: nothing can be reached there ({error.strerror or error}); give the address of "
            "the cluster's head, which `ray start --head` prints"
        ) from error
