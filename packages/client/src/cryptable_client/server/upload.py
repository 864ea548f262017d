"""Getting evaluation keys to a server: asked for, then sent in chunks, and where that breaks, from there on."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator

import grpc
from cryptable_protocol import messages
from cryptable_protocol.errors import MalformedMessageError
from cryptable_protocol.evaluation_keys import EvaluationKeysHeader
from cryptable_protocol.limits import CHUNK_BYTES
from cryptable_protocol.service import InferenceStub

from cryptable_client.console.progress import byte_bar
from cryptable_client.errors import DataLossError, NotFoundError, UnavailableError
from cryptable_client.keys.spooled import SpooledEvaluationKeys
from cryptable_client.schemes.scheme import Progress
from cryptable_client.server.cancellation import Cancellation
from cryptable_client.server.in_time import Clock, clock_of
from cryptable_client.server.meter import Meter
from cryptable_client.server.transport import Outgoing, typed_errors

PAUSES_SECONDS = (0.5, 1.0)
"""Before each new attempt that the last one brought no further, unless the server asks for a longer one."""
MOST_ATTEMPTS = 16
"""However far each of them comes: a server that tells of progress for ever is given up."""
SLOWEST_BYTES_PER_SECOND = 50_000
"""What an upload's deadline allows for, besides the timeout for an answer."""


class EvaluationKeyUpload:
    """The evaluation keys of one connection, on disk here and, after `ensure`, on the server."""

    def __init__(
        self, stub: InferenceStub, spooled: SpooledEvaluationKeys, *, timeout: float, bars: bool, meter: Meter
    ) -> None:
        self._stub = stub
        self._spooled = spooled
        self._timeout = timeout
        self._bars = bars
        self._meter = meter

    @property
    def header(self) -> EvaluationKeysHeader:
        """What the keys are."""
        return self._spooled.header

    def ensure(self) -> bool:
        """Upload the keys unless the server has them: whether it lacked them.

        An upload that breaks goes on where the server says that it ended, with the spooled bytes: they never differ.
        """
        reached, failures = self._present(), 0
        if reached == self.header.size:
            return False
        for attempt in itertools.count():
            try:
                if attempt:
                    before, reached = reached, self._present()
                    failures = 0 if reached > before else failures
                if reached < self.header.size:
                    self._upload(reached)
                break
            except (UnavailableError, DataLossError) as error:
                asked = error.retry_after or 0.0
                if failures == len(PAUSES_SECONDS) or attempt == MOST_ATTEMPTS or asked > self._timeout:
                    raise
                time.sleep(max(PAUSES_SECONDS[failures], asked))
                failures += 1
        return True

    def delete(self, *, timeout: float) -> None:
        """Have the server forget the keys."""
        _delete(self._stub, self.header.sha256, timeout)

    def _present(self) -> int:
        """How many of the bytes the server has: an upload goes on from there."""
        request = messages.inference.GetEvaluationKeysRequest(sha256=self.header.sha256)
        try:
            with typed_errors("asking for evaluation keys"):
                response = self._stub.GetEvaluationKeys(request, timeout=self._timeout)
        except NotFoundError:
            return 0
        self._meter.count("keys", sent=request.ByteSize(), received=response.ByteSize())
        if response.keyset_name == self.header.keyset_name and response.size == self.header.size:
            return self.header.size
        # All of them, and yet no keys: the server was killed before it stored them, and there is no rest to send.
        return response.received if response.received < self.header.size else 0

    def _upload(self, start: int) -> None:
        deadline = self._timeout + (self.header.size - start) / SLOWEST_BYTES_PER_SECOND
        doing, cancellation = "uploading evaluation keys", Cancellation()
        with (
            byte_bar(doing, shown=self._bars, start=start) as update,
            clock_of(cancellation.cancel, self._timeout + CHUNK_BYTES / SLOWEST_BYTES_PER_SECOND) as clock,
            typed_errors(doing),
            Outgoing(self._requests(start, update, clock)) as requests,
        ):
            call = self._stub.UploadEvaluationKeys.future(requests, timeout=deadline)
            cancellation.attach(call)
            try:
                response = call.result()
            except (grpc.RpcError, grpc.FutureCancelledError) as error:
                if clock.has_struck:
                    raise clock.late(doing, "nothing was taken") from error
                raise
        self._meter.count("keys", received=response.ByteSize())
        if response.sha256 != self.header.sha256:
            raise MalformedMessageError("the server confirms evaluation keys with another digest than those sent")

    def _requests(
        self, start: int, update: Progress, clock: Clock
    ) -> Iterator[messages.inference.UploadEvaluationKeysRequest]:
        request = messages.inference.UploadEvaluationKeysRequest
        clock.step()
        yield self._counted(request(header=self.header.to_message()))
        for offset, data in self._spooled.chunks(offset=start):
            clock.step()
            yield self._counted(request(chunk=messages.keys.EvaluationKeysChunk(offset=offset, data=data)))
            update(offset + len(data), self.header.size)
        clock.step()  # the answer has as long as a chunk

    def _counted(
        self, request: messages.inference.UploadEvaluationKeysRequest
    ) -> messages.inference.UploadEvaluationKeysRequest:
        self._meter.count("keys", sent=request.ByteSize())
        return request


def delete_evaluation_keys(channel: grpc.Channel, sha256: bytes, *, timeout: float) -> None:
    """Have a server forget evaluation keys.

    Raises:
        NotFoundError: it does not have them.
        ServerError: it cannot be reached, or refuses.
    """
    _delete(InferenceStub(channel), sha256, timeout)


def _delete(stub: InferenceStub, sha256: bytes, timeout: float) -> None:
    with typed_errors("deleting evaluation keys"):
        stub.DeleteEvaluationKeys(messages.inference.DeleteEvaluationKeysRequest(sha256=sha256), timeout=timeout)
