"""Between gRPC and the service: who calls, request ids, unparsable requests, errors to statuses, call logs."""

from __future__ import annotations

import asyncio
import logging
import re
import time
import uuid
from collections.abc import Awaitable, Callable, Container, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

import grpc
import grpc.aio
from cryptable_protocol import CryptableError, InternalError, InvalidInputError, MalformedMessageError
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from cryptable_server.calls.answers import Answers
from cryptable_server.calls.audit import AuditLog
from cryptable_server.calls.call_counter import CallCounter
from cryptable_server.calls.drain import Drain
from cryptable_server.calls.measures.metrics import Metrics
from cryptable_server.calls.refusal_budget import RefusalBudget
from cryptable_server.errors import DrainingError, ServerError, StreamTooOldError, StreamTooSlowError
from cryptable_server.logs import log, request_id
from cryptable_server.principals import Authenticator, Principal


class Context(Protocol):
    """What is asked of a call's context: gRPC's, or what stands for it over HTTP."""

    def invocation_metadata(self) -> Any:  # noqa: ANN401 - pairs of a key and its value
        """See grpc.aio."""

    def auth_context(self) -> Any:  # noqa: ANN401
        """See grpc.aio."""

    def peer(self) -> str:
        """See grpc.aio."""

    def time_remaining(self) -> float | None:
        """See grpc.aio."""

    def set_code(self, code: grpc.StatusCode) -> None:
        """See grpc.aio."""

    def set_details(self, details: str) -> None:
        """See grpc.aio."""

    def set_trailing_metadata(self, trailers: Any) -> None:  # noqa: ANN401
        """See grpc.aio."""


_LOGGER = logging.getLogger(__name__)
_REQUEST_ID = "x-request-id"
_REQUEST_ID_FORM = re.compile(r"[0-9A-Za-z._-]{1,64}")
_ON_ITS_WAY_SECONDS = 0.2
_LEAST_BYTES_PER_SECOND = 8192
_NOBODY = Principal("unknown", frozenset())
_REFUSED_FOR_WHO_CALLS = frozenset({"UNAUTHENTICATED", "PERMISSION_DENIED"})
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
    audit: AuditLog
    calls: CallCounter
    drain: Drain
    idle_seconds: float
    """How long a stream may send nothing, and take no answer."""
    max_seconds: float
    """How long a stream may be open."""
    strangers: RefusalBudget = field(default_factory=RefusalBudget)
    """For the log's lines; all calls are in one event loop."""


@dataclass
class Call:
    """One call that is being answered."""

    method: str
    request_id: str
    principal: Principal
    deadline: float | None = None
    """By `time.monotonic()`: when the caller stops waiting. None: it does not."""
    peer: str = ""
    """Where the call comes from, as gRPC tells it."""
    facts: dict[str, object] = field(default_factory=dict)
    """For the log line at its end."""


Received = TypeVar("Received", bound=Message, covariant=True)


class Messages(Protocol[Received]):
    """What a service reads of a caller's messages."""

    async def next(
        self, *, until: asyncio.Event | None = None, waits: Callable[[], bool] = lambda: False
    ) -> Received | None:
        """See Requests."""

    def check_pace(self, received: int) -> None:
        """See Requests."""


class Requests(Generic[MessageType]):
    """The messages of a client's stream."""

    def __init__(self, read: Callable[[], Awaitable[Any]], entrance: Entrance) -> None:
        """`read` is a gRPC context's. Its iterator would hold itself, and the last message, when it is left early.

        The running event loop's clock tells the time.
        """
        self._read = read
        self._clock = asyncio.get_running_loop().time
        self._idle_seconds = entrance.idle_seconds
        self._max_seconds = entrance.max_seconds
        self._began = self._clock()
        self._ends = self._began + entrance.max_seconds

    async def next(
        self, *, until: asyncio.Event | None = None, waits: Callable[[], bool] = lambda: False
    ) -> MessageType | None:
        """The next message, or None at the end of the stream.

        Args:
            until: when this is set, only what is on its way already is waited for.
            waits: whether the caller waits for an answer, and so need not send anything.

        Raises:
            DrainingError: `until` is set, and nothing was on its way.
            StreamTooSlowError: nothing came for the seconds that a stream may send nothing.
            StreamTooOldError: it is over for the stream.
            MalformedMessageError: the bytes are not the message they should be.
        """
        if self._is_over:
            raise StreamTooOldError(self._max_seconds)
        message: asyncio.Future[Any] = asyncio.ensure_future(self._read())
        tasks: set[asyncio.Future[Any]] = {message}
        if until is not None:
            tasks.add(asyncio.ensure_future(until.wait()))
        try:
            while True:
                timeout = max(0.0, min(self._ends - self._clock(), self._idle_seconds))
                done, _ = await asyncio.wait(tasks, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
                if done or not waits() or self._is_over:
                    break
            if done and message not in done:
                await asyncio.wait({message}, timeout=_ON_ITS_WAY_SECONDS)
        finally:
            for task in tasks:
                task.cancel()
        if message.done() and not message.cancelled():
            received = message.result()
            return None if received is grpc.aio.EOF else parsed(received)
        if done:
            raise DrainingError()
        if self._is_over:
            raise StreamTooOldError(self._max_seconds)
        raise StreamTooSlowError(f"nothing was sent for {self._idle_seconds:g} s")

    def check_pace(self, received: int) -> None:
        """Raise StreamTooSlowError if so few bytes have come that the stream is there to hold a place."""
        seconds = self._clock() - self._began
        if seconds > self._idle_seconds + received / _LEAST_BYTES_PER_SECOND:
            raise StreamTooSlowError(
                f"{received} bytes in {seconds:.0f} s, at least {_LEAST_BYTES_PER_SECOND} a second are expected"
            )

    @property
    def _is_over(self) -> bool:
        return self._clock() >= self._ends


def parsed(request: MessageType | Unparsable) -> MessageType:
    """`request`, or MalformedMessageError where it could not be parsed."""
    if isinstance(request, Unparsable):
        raise MalformedMessageError(f"the request is not a {request.name} message")
    return request


def handlers(
    name: str, service: object, entrance: Entrance, *, audited: Container[str], while_draining: bool = False
) -> grpc.GenericRpcHandler:
    """Handlers for all methods of the service called `name`, which `service` has under the same names.

    A method takes a Call after its request (a message, or Requests), and raises CryptableError for a refusal.

    Args:
        name: of the service.
        service: what has the methods.
        entrance: what every call passes.
        audited: methods whose calls are written into the audit log, however they end; of others, those are that are
            refused for who calls.
        while_draining: whether calls are answered while the server waits for the last one to end.
    """

    def handler(method: MethodDescriptor) -> grpc.RpcMethodHandler[Any, Any]:
        audits = method.name in audited
        return _handler(service, method, entrance, audited=audits, while_draining=while_draining)

    return grpc.method_handlers_generic_handler(name, {method.name: handler(method) for method in methods_of(name)})


def methods_of(name: str) -> Sequence[MethodDescriptor]:
    """The methods of the service called `name`."""
    return tuple(descriptor_pool.Default().FindServiceByName(name).methods)


def _handler(
    service: object, method: MethodDescriptor, entrance: Entrance, *, audited: bool, while_draining: bool
) -> grpc.RpcMethodHandler[Any, Any]:
    behaviour = getattr(service, method.name)
    deserialize = deserializer(GetMessageClass(method.input_type))
    serialize = GetMessageClass(method.output_type).SerializeToString

    if method.server_streaming and not method.client_streaming:
        raise InternalError(f"method {method.name} streams answers to one request, which nothing here does")

    # On the wire, one message is a stream of one. A request is read after it is known who calls, and within the time
    # that a stream may send nothing: gRPC itself would wait for a stranger's single request without end.
    async def answer(_: object, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        requests: Requests[Message] = Requests(context.read, entrance)
        answers = Answers(context, idle_seconds=entrance.idle_seconds, max_seconds=entrance.max_seconds)
        with (
            answering(method.name, context, entrance, audited=audited) as call,
            admitted(call, context, entrance, while_draining=while_draining),
        ):
            if method.server_streaming:
                async with aclosing(behaviour(requests, call)) as responses:
                    async for response in responses:
                        await answers.send(response)
            elif method.client_streaming:
                await answers.send(await behaviour(requests, call))
            else:
                await answers.send(await answer_to_one(behaviour, requests, method.input_type.name, call))

    return grpc.stream_stream_rpc_method_handler(answer, deserialize, serialize)


async def answer_to_one(
    behaviour: Callable[[Any, Call], Awaitable[Message]], requests: Messages[Message], expected: str, call: Call
) -> Message:
    """What a unary method answers to its one request, a message of the type that is called so."""
    request = await requests.next()
    if request is None:
        raise MalformedMessageError(f"a {expected} is expected, and nothing was sent")
    return await behaviour(request, call)


def deserializer(message_type: type[Message]) -> Callable[[bytes], Message | Unparsable]:
    """Parses messages of that type; what cannot be parsed becomes an Unparsable, which is refused inside the call."""

    def deserialize(data: bytes) -> Message | Unparsable:
        try:
            return message_type.FromString(data)
        except (DecodeError, ValueError):
            return Unparsable(message_type.DESCRIPTOR.name)

    return deserialize


@contextmanager
def answering(
    method: str, context: Context, entrance: Entrance, *, audited: bool = False, **facts: object
) -> Iterator[Call]:
    """Turn exceptions into statuses, and log how the call ended, with `facts`."""
    with entrance.drain.counting():
        call = Call(method, _identity(context), _NOBODY, peer=context.peer(), facts=facts)
        with _logged(call, context, entrance, audited=audited):
            yield call


@contextmanager
def admitted(call: Call, context: Context, entrance: Entrance, *, while_draining: bool = False) -> Iterator[None]:
    """Find out who calls, who is then one of those whose calls are in progress; raises where they may not call."""
    if entrance.drain.begun.is_set() and not while_draining:
        raise DrainingError
    call.deadline = _deadline(context)
    call.principal = entrance.authenticator.principal(context.invocation_metadata() or (), context.auth_context())
    with entrance.calls.counting(call.principal):
        yield


@contextmanager
def _logged(call: Call, context: Context, entrance: Entrance, *, audited: bool) -> Iterator[None]:
    request_id.set(call.request_id)  # in the context of this call alone: gRPC answers each in a task of its own
    began = time.perf_counter()
    status, reason = "OK", None
    try:
        yield
    except (asyncio.CancelledError, GeneratorExit):
        status = "CANCELLED"
        raise
    except Exception as error:  # noqa: BLE001 - a caller never gets a traceback, the log does
        status, reason, retry_after = _refusal(error)
        pushback = -1 if retry_after is None else round(1000 * retry_after)
        trailers = ((_REQUEST_ID, call.request_id), (_PUSHBACK, str(pushback)))
        # Not by context.abort(): the error that it raises would keep the call, with all that it has read, until
        # Python looks for cycles, which a thousand refused calls need not bring about.
        context.set_trailing_metadata(trailers)
        context.set_code(grpc.StatusCode[status])
        context.set_details(f"{reason} [request {call.request_id}]")
    finally:
        seconds = round(time.perf_counter() - began, 4)
        entrance.metrics.call(call.method, status, seconds)
        level = logging.ERROR if status == "INTERNAL" else logging.INFO
        facts = call.facts if reason is None else {**call.facts, "reason": reason}
        if audited or status in _REFUSED_FOR_WHO_CALLS:
            about = {"from": call.peer, "request_id": call.request_id, **facts}
            entrance.audit.record(who=call.principal.name, what=call.method, outcome=status, **about)
        if status != "UNAUTHENTICATED" or entrance.strangers.admits():
            if entrance.strangers.left_out:
                facts = {**facts, "refusals_left_out": entrance.strangers.left_out}
                entrance.strangers.left_out = 0
            log(_LOGGER, level, call.method, status=status, seconds=seconds, principal=call.principal.name, **facts)


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


def _deadline(context: Context) -> float | None:
    left = context.time_remaining()
    return None if left is None else time.monotonic() + left


def _identity(context: Context) -> str:
    for key, value in context.invocation_metadata() or ():
        if key == _REQUEST_ID and isinstance(value, str) and _REQUEST_ID_FORM.fullmatch(value):
            return value
    return uuid.uuid4().hex
