"""Getting evaluation keys to a server: asked for, then sent in chunks, and again from the same bytes if that breaks."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Protocol

import grpc
from cryptable_protocol import messages
from cryptable_protocol.errors import MalformedMessageError
from cryptable_protocol.evaluation_keys import EvaluationKeysHeader
from cryptable_protocol.service import InferenceStub

from cryptable_client.errors import DataLossError, NotFoundError, UnavailableError
from cryptable_client.evaluation_keys import Progress
from cryptable_client.progress import byte_bar
from cryptable_client.spooling import SpooledEvaluationKeys
from cryptable_client.transport import Outgoing, typed_errors

PAUSES_SECONDS = (0.5, 1.0)
"""Before each new attempt, unless the server asks for a longer one."""
SLOWEST_BYTES_PER_SECOND = 50_000
"""What an upload's deadline allows for, besides the timeout for an answer."""


class Count(Protocol):
    """Counts bytes of messages."""

    def __call__(self, phase: str, *, sent: int = 0, received: int = 0, rows: int = 0) -> None:
        """Add to what a phase sent and received."""


class EvaluationKeyUpload:
    """The evaluation keys of one connection, on disk here and, after `ensure`, on the server."""

    def __init__(
        self, stub: InferenceStub, spooled: SpooledEvaluationKeys, *, timeout: float, bars: bool, count: Count
    ) -> None:
        self._stub = stub
        self._spooled = spooled
        self._timeout = timeout
        self._bars = bars
        self._count = count

    @property
    def header(self) -> EvaluationKeysHeader:
        """What the keys are."""
        return self._spooled.header

    def ensure(self) -> bool:
        """Upload the keys unless the server has them: whether it lacked them.

        An upload that breaks is tried again, from the spooled bytes: they never differ.
        """
        if self._on_server():
            return False
        for pause in (*PAUSES_SECONDS, None):
            try:
                self._upload()
                break
            except (UnavailableError, DataLossError) as error:
                if pause is None:
                    raise
                time.sleep(max(pause, error.retry_after or 0.0))
        return True

    def delete(self, *, timeout: float) -> None:
        """Have the server forget the keys."""
        _delete(self._stub, self.header.sha256, timeout)

    def _on_server(self) -> bool:
        request = messages.inference.GetEvaluationKeysRequest(sha256=self.header.sha256)
        try:
            with typed_errors("asking for evaluation keys"):
                response = self._stub.GetEvaluationKeys(request, timeout=self._timeout)
        except NotFoundError:
            return False
        self._count("keys", sent=request.ByteSize(), received=response.ByteSize())
        return bool(response.keyset_name == self.header.keyset_name and response.size == self.header.size)

    def _upload(self) -> None:
        deadline = self._timeout + self.header.size / SLOWEST_BYTES_PER_SECOND
        with (
            byte_bar("uploading evaluation keys", shown=self._bars) as update,
            typed_errors("uploading evaluation keys"),
            Outgoing(self._requests(update)) as requests,
        ):
            response = self._stub.UploadEvaluationKeys(requests, timeout=deadline)
        self._count("keys", received=response.ByteSize())
        if response.sha256 != self.header.sha256:
            raise MalformedMessageError("the server confirms evaluation keys with another digest than those sent")

    def _requests(self, update: Progress) -> Iterator[messages.inference.UploadEvaluationKeysRequest]:
        request = messages.inference.UploadEvaluationKeysRequest
        yield self._counted(request(header=self.header.to_message()))
        for offset, data in self._spooled.chunks():
            yield self._counted(request(chunk=messages.keys.EvaluationKeysChunk(offset=offset, data=data)))
            update(offset + len(data), self.header.size)

    def _counted(
        self, request: messages.inference.UploadEvaluationKeysRequest
    ) -> messages.inference.UploadEvaluationKeysRequest:
        self._count("keys", sent=request.ByteSize())
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
