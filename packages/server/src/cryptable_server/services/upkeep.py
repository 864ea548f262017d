"""Upkeep: what a server serves kept in step with its directory of models, and what it does not need removed."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass, field

from cryptable_protocol.service import SERVICE_NAME

from cryptable_server.calls.health import HealthChecks
from cryptable_server.errors import ModelsError
from cryptable_server.executors.executor import Executor
from cryptable_server.keys.store import KeyStore
from cryptable_server.logs import log
from cryptable_server.models.directory import DirectoryModelStore
from cryptable_server.models.mirror import ModelMirror
from cryptable_server.processes.heap import give_back

_LOGGER = logging.getLogger(__name__)
_KEEP_SECONDS = 5.0
"""How often what is not needed any more is looked for."""


@dataclass
class Upkeep:
    """All in one event loop."""

    models: DirectoryModelStore
    keys: KeyStore
    executor: Executor
    health: HealthChecks
    watch_seconds: float
    """Between looks for changes of the directory; 0: only when asked."""
    mirror: ModelMirror | None = None
    """What copies models there from an object store."""
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    """Set to have the directory read again."""

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self.asked.wait(), self.watch_seconds or _KEEP_SECONDS)
            asked = self.asked.is_set()
            self.asked.clear()
            try:
                if self.mirror is not None and self.watch_seconds and not asked:
                    await asyncio.to_thread(self.mirror.refresh)
                if asked or (self.watch_seconds and await asyncio.to_thread(self.models.settled_change)):
                    with suppress(ModelsError):  # which is logged
                        await self.reload()
                self.executor.serve(self.models.programs())
                await asyncio.to_thread(self.models.clean)
                await asyncio.to_thread(self.keys.expire)
                await asyncio.to_thread(give_back)
            except Exception:  # the next round may go better, and calls are answered meanwhile
                _LOGGER.exception("unexpected error")

    async def reload(self) -> None:
        """Read the directory again, and serve what it holds; raises ModelsError where it cannot be."""
        if self.mirror is not None:
            await asyncio.to_thread(self.mirror.refresh)
        try:
            await asyncio.to_thread(self.models.reload)
        except ModelsError as error:
            log(_LOGGER, logging.ERROR, "models not read", reason=str(error))
            raise
        await self.apply()
        log(_LOGGER, logging.INFO, "models read", models=list(self.models.names))

    async def apply(self) -> None:
        """Have workers and health checks know which models are served now."""
        self.executor.serve(self.models.programs())
        await self.show_health()

    async def show_health(self) -> None:
        """A model of which no version is served, and one is there, does not serve; others are unknown."""
        here = {f"{SERVICE_NAME}/{entry.name}": False for entry in self.models.entries() if entry.name}
        serve = dict.fromkeys(f"{SERVICE_NAME}/{name}" for name in self.models.names)
        await self.health.show({**here, **dict.fromkeys(serve, True), "": True, SERVICE_NAME: True})
