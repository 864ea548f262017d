"""LocalExecutor: evaluation workers as processes on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from cryptable_server.executors.pool import WorkerPool
from cryptable_server.executors.process_link import WorkerProcess
from cryptable_server.processes.entry_points import ENTRY_POINTS, EntryPoints
from cryptable_server.settings.worker_config import WorkerConfig


class LocalExecutor(WorkerPool):
    """A WorkerPool of child processes."""

    def __init__(
        self,
        config: WorkerConfig,
        *,
        programs: Sequence[str] = (),
        entry_points: EntryPoints = ENTRY_POINTS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """See WorkerPool."""
        super().__init__(
            config, lambda index: WorkerProcess(index, config, entry_points), programs=programs, clock=clock
        )
