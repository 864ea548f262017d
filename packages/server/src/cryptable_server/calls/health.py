"""HealthChecks: grpc.health.v1 of the server and each model, which strangers may ask for; a few may watch it too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import DecodeError
from grpc_health.v1 import health, health_pb2

Serving = health_pb2.HealthCheckResponse
_NO_MESSAGE = "the request is not a HealthCheckRequest message"


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
        # Not by the generated function: with it, bytes that are no message end as UNKNOWN, with a traceback in the log.
        kinds = {"Check": grpc.unary_unary_rpc_method_handler, "Watch": grpc.unary_stream_rpc_method_handler}
        handlers = {
            name: kind(getattr(self, name), parsed_or_none, Serving.SerializeToString) for name, kind in kinds.items()
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(health.SERVICE_NAME, handlers),))

    # Refusals are not by context.abort(), for the reason that `grpc_entry` gives: strangers get here.

    async def Check(self, request: health_pb2.HealthCheckRequest | None, context: Any) -> Serving:  # noqa: ANN401
        """See grpc.health.v1."""
        if request is None:
            _refuse(context, grpc.StatusCode.INVALID_ARGUMENT, _NO_MESSAGE)
        elif request.service not in self._shown:
            _refuse(context, grpc.StatusCode.NOT_FOUND, "no such service")
        else:
            return await super().Check(request, context)
        return Serving()

    async def Watch(self, request: health_pb2.HealthCheckRequest | None, context: Any) -> None:  # noqa: ANN401
        """See grpc.health.v1."""
        if request is None:
            _refuse(context, grpc.StatusCode.INVALID_ARGUMENT, _NO_MESSAGE)
            return
        if self._watchers >= self._most_watchers:
            too_many = "too many watch this server's health; use Check"
            _refuse(context, grpc.StatusCode.RESOURCE_EXHAUSTED, too_many)
            return
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


def parsed_or_none(data: bytes) -> health_pb2.HealthCheckRequest | None:
    """The request, or None where the bytes are none."""
    try:
        return health_pb2.HealthCheckRequest.FromString(data)
    except DecodeError:
        return None


def _refuse(context: Any, status: grpc.StatusCode, reason: str) -> None:  # noqa: ANN401
    context.set_code(status)
    context.set_details(reason)
