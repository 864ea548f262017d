"""Rows evaluated by a server: encrypted on the way out, answers decrypted on the way in; a lone row by a unary call."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import grpc
import numpy as np
import numpy.typing as npt
from cryptable_protocol import messages
from cryptable_protocol.errors import MalformedMessageError
from cryptable_protocol.messages import tensor as tensor_pb
from cryptable_protocol.model.client_spec import ClientSpec
from cryptable_protocol.schemes.scheme import Batch
from cryptable_protocol.schemes.squares.bulk_parameters import BulkParameters
from cryptable_protocol.service import InferenceStub

from cryptable_client.errors import ServerError
from cryptable_client.keys.encryption import decrypt, decrypt_together, encrypt_in_pieces, encrypt_together
from cryptable_client.keys.secret_keys import SecretKeys
from cryptable_client.schemes.scheme import read_tensor
from cryptable_client.server.cancellation import CURRENT, Cancellable
from cryptable_client.server.in_time import in_time
from cryptable_client.server.meter import Meter
from cryptable_client.server.transport import Outgoing, typed_errors

ROWS_UNDERWAY = 64
"""Rows sent and not yet answered, at most: what bounds memory here and the queue there."""

BYTES_UNDERWAY = 64 << 20
"""Likewise, of rows in bulk."""

Keep: TypeAlias = Callable[[npt.NDArray[np.int64]], None]


@dataclass(frozen=True)
class Inference:
    """What rows are evaluated with.

    Args:
        stub: of the service.
        spec: the model's specification.
        secret_keys: of its keyset.
        evaluation_keys: their SHA-256, or empty where the model needs none.
        timeout: seconds that each answer is waited for.
        meter: of the connection.
        batch: how rows travel together, if they do.
    """

    stub: InferenceStub
    spec: ClientSpec
    secret_keys: SecretKeys
    evaluation_keys: bytes
    timeout: float
    meter: Meter
    batch: Batch | None = None

    def rows(self, encoded: npt.NDArray[np.int64], keep: Keep, *, together: int = 0) -> None:
        """Have rows evaluated, by one stream.

        Args:
            encoded: integers of shape (rows, spec.parameters.inputs).
            keep: given each row's decrypted integers, of shape (spec.parameters.outputs,), in order.
            together: rows in a tensor, as `batch` allows; 0 for each alone. In bulk, as many as there are slots.

        Raises:
            ServerError: the server failed or refused; answers kept so far stand.
            MalformedMessageError: an answer is out of order, missing, or not of the output's form.
        """
        rows, in_bulk = encoded.shape[0], self._rows_in_bulk
        requests = _Requests(self, encoded, in_bulk or together)
        answered = 0
        with typed_errors(self._doing), Outgoing(iter(requests)) as outgoing:
            call = self.stub.Infer(outgoing, timeout=self.timeout * rows)
            _let_be_cancelled(call)
            try:
                for response in in_time(call, self.timeout * (together or 1), self._doing):
                    expected = answered // in_bulk if in_bulk else answered
                    if answered == rows or response.row != expected:
                        raise MalformedMessageError(
                            f"the server answers row {response.row}, expected row {expected} of {rows}"
                        )
                    answered += self._take(response, keep, min(in_bulk or together, rows - answered))
                    requests.one_answered()
            finally:
                requests.stop()
                call.cancel()
        if answered != rows:
            raise MalformedMessageError(f"the server answered {answered} of {rows} rows")

    def lone_row(self, encoded: npt.NDArray[np.int64], keep: Keep) -> bool:
        """The same for one row, by a unary call, on which a server spends a millisecond less than on a stream.

        Returns:
            Whether the server has such calls. Where it has not, no answer is kept.
        """
        header, row = _Requests(self, encoded, 0)
        request = messages.inference.InferRowRequest(header=header.header, row=row.row)
        with typed_errors(self._doing):
            call = self.stub.InferRow.future(request, timeout=self.timeout)
            _let_be_cancelled(call)
            try:
                response = call.result()
            except grpc.FutureCancelledError as error:
                raise ServerError(f"{self._doing}: cancelled", code=grpc.StatusCode.CANCELLED.name) from error
            except grpc.RpcError as error:
                if error.code() is grpc.StatusCode.UNIMPLEMENTED:
                    return False
                raise
            finally:
                call.cancel()
        self._take(response, keep)
        return True

    @property
    def _rows_in_bulk(self) -> int:
        """Of a tensor; 0 where rows are not in bulk."""
        parameters = self.spec.parameters
        return parameters.rows if isinstance(parameters, BulkParameters) else 0

    @property
    def _doing(self) -> str:
        return f"evaluating with model {self.spec.model_name!r}"

    def _take(
        self,
        response: messages.inference.InferResponse | messages.inference.InferRowResponse,
        keep: Keep,
        together: int = 0,
    ) -> int:
        """Decrypt an answer, to a row alone or to so many together; how many rows it answers."""
        with self.meter.timed("decrypt"):
            tensor = read_tensor(self.spec, response.result)
            if self._rows_in_bulk:
                answers = list(decrypt(self.spec, self.secret_keys, tensor)[:together])
            elif self.batch is not None and together:
                answers = list(decrypt_together(self.spec, self.batch, self.secret_keys, tensor, together))
            else:
                answers = [decrypt(self.spec, self.secret_keys, tensor)]
        for answer in answers:
            keep(answer)
        _add_server_time(self.meter, response.wall_seconds, response.cpu_seconds)
        self.meter.count("rows", received=response.ByteSize(), rows=len(answers))
        return len(answers)


def _let_be_cancelled(call: Cancellable) -> None:
    cancellation = CURRENT.get()
    if cancellation is not None:
        cancellation.attach(call)


class _Requests:
    """A header, then the rows, each tensor encrypted when there is room for it."""

    def __init__(self, inference: Inference, encoded: npt.NDArray[np.int64], together: int) -> None:
        self._inference = inference
        self._encoded = encoded
        self._together = together
        underway = ROWS_UNDERWAY // (together or 1)
        if inference._rows_in_bulk:
            underway = BYTES_UNDERWAY // inference.spec.parameters.row_bytes
        self._room = threading.Semaphore(max(1, underway))
        self._stopped = False

    def __iter__(self) -> Iterator[messages.inference.InferRequest]:
        spec, meter = self._inference.spec, self._inference.meter
        header = messages.inference.InferHeader(
            model_name=spec.model_name,
            client_spec_digest=spec.digest,
            evaluation_keys=self._inference.evaluation_keys,
            batch=self._inference.batch.digest if self._inference.batch is not None and self._together else b"",
        )
        yield self._counted(messages.inference.InferRequest(header=header))
        size = self._together or 1
        for first in range(0, len(self._encoded), size):
            self._room.acquire()
            if self._stopped:
                return
            pieces = self._pieces(self._encoded[first : first + size])
            while True:
                with meter.timed("encrypt"):
                    piece = next(pieces, None)
                if piece is None:
                    break
                yield self._counted(messages.inference.InferRequest(row=piece))

    def _pieces(self, rows: npt.NDArray[np.int64]) -> Iterator[tensor_pb.EncryptedTensor]:
        """A tensor's messages: one, or in bulk many, each encrypted when it is asked for."""
        inference = self._inference
        if inference.batch is not None and self._together:
            yield encrypt_together(inference.spec, inference.batch, inference.secret_keys, rows).to_message()
        else:
            yield from encrypt_in_pieces(inference.spec, inference.secret_keys, rows if self._together else rows[0])

    def one_answered(self) -> None:
        """There is room for one more tensor."""
        self._room.release()

    def stop(self) -> None:
        """Let the thread that reads end."""
        self._stopped = True
        self._room.release()

    def _counted(self, request: messages.inference.InferRequest) -> messages.inference.InferRequest:
        self._inference.meter.count("rows", sent=request.ByteSize())
        return request


def _add_server_time(meter: Meter, wall: float, cpu: float) -> None:
    for phase, seconds in (("server_wall", wall), ("server_cpu", cpu)):
        if math.isfinite(seconds) and seconds >= 0:
            meter.add_time(phase, seconds)
