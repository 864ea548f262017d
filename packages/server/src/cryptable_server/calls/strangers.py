"""StrangerInterceptor: keeps strangers from what does not ask who calls: reflection, and methods that there are not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any

import grpc
import grpc.aio
from grpc_health.v1 import health
from grpc_reflection.v1alpha import reflection

from cryptable_server.calls.grpc_entry import Context, Entrance, admitted, answering, methods_of
from cryptable_server.errors import UnauthenticatedError

_MAX_SHOWN = 128
_HEALTH = f"/{health.SERVICE_NAME}/"
_REFLECTION = f"/{reflection.SERVICE_NAME}/"


class StrangerInterceptor(grpc.aio.ServerInterceptor):
    """Lets in calls of our own methods, which ask by themselves, health checks, and of the rest those who are known.

    Where client certificates are asked for, TLS has kept strangers out already.
    """

    def __init__(self, entrance: Entrance, *, services: Iterable[str], reflection_for_all: bool) -> None:
        """The methods of `services` ask by themselves."""
        self._entrance = entrance
        self._asking = frozenset(f"/{name}/{method.name}" for name in services for method in methods_of(name))
        self._open = (_HEALTH, _REFLECTION) if reflection_for_all else (_HEALTH,)

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """See grpc.aio."""
        method = str(handler_call_details.method)
        if (
            method in self._asking
            or method.startswith(self._open)
            or self._entrance.authenticator.admits(handler_call_details.invocation_metadata)
        ):
            return await continuation(handler_call_details)

        async def refuse(_: AsyncIterator[bytes], context: Context) -> None:
            with (
                answering("refused", context, self._entrance, asked_for=method[:_MAX_SHOWN]) as call,
                admitted(call, context, self._entrance),
            ):
                raise UnauthenticatedError("this server asks who calls")

        return grpc.stream_stream_rpc_method_handler(refuse)
