"""Which executor a server has: workers on this machine, or on a Ray cluster."""

from __future__ import annotations

from collections.abc import Sequence

from cryptable_server.errors import ConfigurationError
from cryptable_server.executors.local import LocalExecutor
from cryptable_server.executors.pool import WorkerPool
from cryptable_server.processes.entry_points import ENTRY_POINTS, EntryPoints
from cryptable_server.settings.config import ServerConfig


def new_executor(config: ServerConfig, programs: Sequence[str], entry_points: EntryPoints = ENTRY_POINTS) -> WorkerPool:
    """Workers that are ready.

    Raises:
        ConfigurationError: Ray is asked for, and not installed.
        ExecutorError: they do not come up.
    """
    if config.executor == "local":
        return LocalExecutor(config.workers, programs=programs, entry_points=entry_points)
    try:
        from cryptable_server.executors.ray import RayExecutor
    except ImportError as error:
        raise ConfigurationError(
            f"--executor ray needs Ray, which is not here ({error}); install cryptable-server[ray]"
        ) from error
    return RayExecutor(config.workers, address=config.ray_address, programs=programs)
