"""HealthChecks: grpc.health.v1 of the server and each model, which strangers may ask for; a few may watch it too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

Serving = health_pb2.HealthCheckResponse


class HealthChecks(health.aio.HealthServicer):
    """The status of each service."""

    def __init__(self, *, most_watchers: int) -> None:
        """Refuse further watchers: nobody asks who they are, and each holds one of the server's calls without end."""
        super().__init__()
        self._most_watchers = most_watchers
        self._watchers = 0
        self._shown: dict[str, bool] = {}

    def add_to(self, server: grpc.aio.Server) -> None:
        """Have `server` answer health checks."""
        health_pb2_grpc.add_HealthServicer_to_server(self, server)

    async def Watch(self, request: health_pb2.HealthCheckRequest, context: Any) -> None:  # noqa: ANN401 - untyped there
        """See grpc.health.v1."""
        if self._watchers >= self._most_watchers:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many watch this server's health; use Check")
        self._watchers += 1
        try:
            await super().Watch(request, context)
        finally:
            self._watchers -= 1

    async def show(self, services: Mapping[str, bool]) -> None:
        """Whether each of these serves; others are unknown from now on."""
        for name in self._shown.keys() - services.keys():
            await self.set(name, Serving.SERVICE_UNKNOWN)
        for name, serves in services.items():
            if self._shown.get(name) != serves:
                await self.set(name, Serving.SERVING if serves else Serving.NOT_SERVING)
        self._shown = dict(services)
