"""Between gRPC and the service: who calls, request ids, unparsable requests, errors to statuses, call logs."""

from __future__ import annotations

import asyncio
import logging
import re
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import grpc
import grpc.aio
from cryptable_protocol import CryptableError, InternalError, InvalidInputError, MalformedMessageError
from cryptable_protocol.messages import inference as pb
from cryptable_protocol.service import SERVICE_NAME
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from cryptable_server.drain import Drain
from cryptable_server.errors import DrainingError, ServerError, StreamTooSlowError, UnauthenticatedError
from cryptable_server.logs import log, request_id
from cryptable_server.metrics import Metrics
from cryptable_server.principals import Authenticator, Principal

_Context = grpc.aio.ServicerContext[Any, Any]
_LOGGER = logging.getLogger(__name__)
_REQUEST_ID = "x-request-id"
_REQUEST_ID_FORM = re.compile(r"[0-9A-Za-z._-]{1,64}")
_ON_ITS_WAY_SECONDS = 0.2
_NOBODY = Principal("unknown", frozenset())
_HEALTH = "/grpc.health.v1.Health/"
_PUSHBACK = "grpc-retry-pushback-ms"
"""gRPC's own trailer (proposal A6): milliseconds until a retry can help; negative: it cannot."""


MessageType = TypeVar("MessageType", bound=Message)


@dataclass(frozen=True)
class Unparsable:
    """Stands for a request whose bytes are not the message they should be."""

    name: str


@dataclass(frozen=True)
class Entrance:
    """What every call passes."""

    authenticator: Authenticator
    metrics: Metrics
    idle_seconds: float
    """How long a stream may send nothing."""
    drain: Drain


@dataclass
class Call:
    """One call that is being answered."""

    method: str
    request_id: str
    principal: Principal
    deadline: float | None = None
    """By `time.monotonic()`: when the caller stops waiting. None: it does not."""
    facts: dict[str, object] = field(default_factory=dict)
    """For the log line at its end."""


_Messages = AsyncIterator[Message | Unparsable]


class Requests(Generic[MessageType]):
    """The messages of a client's stream."""

    def __init__(self, messages: AsyncIterator[MessageType | Unparsable], *, idle_seconds: float) -> None:
        self._messages = messages
        self._idle_seconds = idle_seconds

    async def next(
        self, *, until: asyncio.Event | None = None, waits: Callable[[], bool] = lambda: False
    ) -> MessageType | None:
        """The next message, or None at the end of the stream.

        Args:
            until: when this is set, only what is on its way already is waited for.
            waits: whether the caller waits for an answer, and so need not send anything.

        Raises:
            DrainingError: `until` is set, and nothing was on its way.
            StreamTooSlowError: nothing came for `idle_seconds`.
            MalformedMessageError: the bytes are not the message they should be.
        """
        message: asyncio.Task[MessageType | Unparsable | None] = asyncio.ensure_future(anext(self._messages, None))
        tasks: set[asyncio.Future[Any]] = {message}
        if until is not None:
            tasks.add(asyncio.ensure_future(until.wait()))
        try:
            while True:
                done, _ = await asyncio.wait(tasks, timeout=self._idle_seconds, return_when=asyncio.FIRST_COMPLETED)
                if done or not waits():
                    break
            if done and message not in done:
                await asyncio.wait({message}, timeout=_ON_ITS_WAY_SECONDS)
        finally:
            for task in tasks:
                task.cancel()
        if message.done() and not message.cancelled():
            received = message.result()
            return None if received is None else parsed(received)
        if done:
            raise DrainingError()
        raise StreamTooSlowError(f"nothing was sent for {self._idle_seconds:g} s")


def parsed(request: MessageType | Unparsable) -> MessageType:
    """`request`, or MalformedMessageError where it could not be parsed."""
    if isinstance(request, Unparsable):
        raise MalformedMessageError(f"the request is not a {request.name} message")
    return request


def handlers(service: object, entrance: Entrance) -> grpc.GenericRpcHandler:
    """Handlers for all methods of the service, which `service` has under the same names.

    A method takes a Call after its request (a message, or Requests), and raises CryptableError for a refusal.
    """
    return grpc.method_handlers_generic_handler(
        SERVICE_NAME,
        {method.name: _handler(service, method, entrance) for method in _methods()},
    )


class Gate(grpc.aio.ServerInterceptor):
    """Keeps strangers from what does not ask who calls by itself: reflection, and methods that there are not.

    The service's own methods ask; health checks need not. Where client certificates are asked for, TLS has kept
    strangers out already.
    """

    def __init__(self, entrance: Entrance) -> None:
        self._entrance = entrance
        self._asking = frozenset(f"/{SERVICE_NAME}/{method.name}" for method in _methods())

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """See grpc.aio."""
        method = str(handler_call_details.method)
        if (
            method in self._asking
            or method.startswith(_HEALTH)
            or self._entrance.authenticator.admits(handler_call_details.invocation_metadata)
        ):
            return await continuation(handler_call_details)
        return grpc.stream_stream_rpc_method_handler(self._refuse)

    async def _refuse(self, _: AsyncIterator[bytes], context: _Context) -> None:
        async with _answering("refused", context, self._entrance):
            raise UnauthenticatedError("this server asks who calls")


def _handler(service: object, method: MethodDescriptor, entrance: Entrance) -> grpc.RpcMethodHandler[Any, Any]:
    behaviour = getattr(service, method.name)
    deserialize = _deserializer(GetMessageClass(method.input_type))
    serialize = GetMessageClass(method.output_type).SerializeToString

    async def unary(request: Message | Unparsable, context: _Context) -> Message:
        async with _answering(method.name, context, entrance) as call:
            response: Message = await behaviour(parsed(request), call)
            return response

    async def stream_to_one(messages: _Messages, context: _Context) -> Message:
        async with _answering(method.name, context, entrance) as call:
            response: Message = await behaviour(Requests(messages, idle_seconds=entrance.idle_seconds), call)
            return response

    async def stream_to_stream(messages: _Messages, context: _Context) -> AsyncIterator[Message]:
        async with _answering(method.name, context, entrance) as call:
            async for response in behaviour(Requests(messages, idle_seconds=entrance.idle_seconds), call):
                yield response

    match method.client_streaming, method.server_streaming:
        case False, False:
            return grpc.unary_unary_rpc_method_handler(unary, deserialize, serialize)
        case True, False:
            return grpc.stream_unary_rpc_method_handler(stream_to_one, deserialize, serialize)
        case True, True:
            return grpc.stream_stream_rpc_method_handler(stream_to_stream, deserialize, serialize)
        case _:
            raise InternalError(f"method {method.name} streams answers to one request, which nothing here does")


def _methods() -> Sequence[MethodDescriptor]:
    return tuple(pb.DESCRIPTOR.services_by_name[SERVICE_NAME.rpartition(".")[2]].methods)


def _deserializer(message_type: type[Message]) -> Callable[[bytes], Message | Unparsable]:
    def deserialize(data: bytes) -> Message | Unparsable:
        try:
            return message_type.FromString(data)
        except (DecodeError, ValueError):
            return Unparsable(message_type.DESCRIPTOR.name)

    return deserialize


@asynccontextmanager
async def _answering(method: str, context: _Context, entrance: Entrance) -> AsyncIterator[Call]:
    """Find out who calls, turn exceptions into statuses, and log how the call ended."""
    with entrance.drain.counting():
        async with _logged(Call(method, _identity(context), _NOBODY), context, entrance) as call:
            yield call


@asynccontextmanager
async def _logged(call: Call, context: _Context, entrance: Entrance) -> AsyncIterator[Call]:
    token = request_id.set(call.request_id)
    began = time.perf_counter()
    status, reason = "OK", None
    try:
        if entrance.drain.begun.is_set():
            raise DrainingError
        metadata = context.invocation_metadata() or ()
        call.deadline = _deadline(context)
        call.principal = entrance.authenticator.principal(metadata, context.auth_context())
        yield call
    except (asyncio.CancelledError, GeneratorExit):
        status = "CANCELLED"
        raise
    except Exception as error:  # noqa: BLE001 - a caller never gets a traceback, the log does
        status, reason, retry_after = _refusal(error)
        pushback = -1 if retry_after is None else round(1000 * retry_after)
        trailers = ((_REQUEST_ID, call.request_id), (_PUSHBACK, str(pushback)))
        await context.abort(grpc.StatusCode[status], f"{reason} [request {call.request_id}]", trailers)
    finally:
        seconds = round(time.perf_counter() - began, 4)
        entrance.metrics.call(call.method, status, seconds)
        level = logging.ERROR if status == "INTERNAL" else logging.INFO
        facts = {"status": status, "seconds": seconds, "principal": call.principal.name, **call.facts}
        if reason is not None:
            facts["reason"] = reason
        log(_LOGGER, level, call.method, **facts)
        request_id.reset(token)


def _refusal(error: Exception) -> tuple[str, str, float | None]:
    """Status, message, and after how many seconds a retry can help."""
    match error:
        case ServerError():
            return error.status, str(error), error.retry_after
        case MalformedMessageError() | InvalidInputError():
            return "INVALID_ARGUMENT", str(error), None
        case CryptableError():
            return "INTERNAL", str(error), None
        case _:
            _LOGGER.exception("unexpected error")
            return "INTERNAL", "an error in the server, which its log describes", None


def _deadline(context: _Context) -> float | None:
    left = context.time_remaining()
    return None if left is None else time.monotonic() + left


def _identity(context: _Context) -> str:
    for key, value in context.invocation_metadata() or ():
        if key == _REQUEST_ID and isinstance(value, str) and _REQUEST_ID_FORM.fullmatch(value):
            return value
    return uuid.uuid4().hex
