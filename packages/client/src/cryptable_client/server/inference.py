"""Rows evaluated by a server: encrypted on the way out, answers decrypted on the way in; a lone row by a unary call."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator

import grpc
import numpy as np
import numpy.typing as npt
from cryptable_protocol import messages
from cryptable_protocol.errors import MalformedMessageError
from cryptable_protocol.model.client_spec import ClientSpec
from cryptable_protocol.service import InferenceStub

from cryptable_client.errors import ServerError
from cryptable_client.keys.encryption import decrypt, encrypt
from cryptable_client.keys.secret_keys import SecretKeys
from cryptable_client.schemes.scheme import read_tensor
from cryptable_client.server.cancellation import CURRENT, Cancellable
from cryptable_client.server.in_time import in_time
from cryptable_client.server.meter import Meter
from cryptable_client.server.transport import Outgoing, typed_errors

ROWS_UNDERWAY = 64
"""Rows sent and not yet answered, at most: what bounds memory here and the queue there."""


def infer(
    stub: InferenceStub,
    spec: ClientSpec,
    secret_keys: SecretKeys,
    encoded: npt.NDArray[np.int64],
    *,
    evaluation_keys: bytes,
    timeout: float,
    keep: Callable[[npt.NDArray[np.int64]], None],
    meter: Meter,
) -> None:
    """Have rows evaluated.

    Args:
        stub: of the service.
        spec: the model's specification.
        secret_keys: of its keyset.
        encoded: integers of shape (rows, spec.parameters.inputs).
        evaluation_keys: their SHA-256, or empty where the model needs none.
        timeout: seconds that each answer is waited for.
        keep: given each row's decrypted integers, of shape (spec.parameters.outputs,), in order.
        meter: of the connection.

    Raises:
        ServerError: the server failed or refused; answers kept so far stand.
        MalformedMessageError: an answer is out of order, missing, or not of the output's form.
    """
    rows = encoded.shape[0]
    requests = _Requests(spec, secret_keys, encoded, evaluation_keys, meter)
    answered, doing = 0, _doing(spec)
    with typed_errors(doing), Outgoing(iter(requests)) as outgoing:
        call = stub.Infer(outgoing, timeout=timeout * rows)
        _let_be_cancelled(call)
        try:
            for response in in_time(call, timeout, doing):
                if answered == rows or response.row != answered:
                    raise MalformedMessageError(
                        f"the server answers row {response.row}, expected row {answered} of {rows}"
                    )
                _take(response, spec, secret_keys, keep, meter)
                answered += 1
                requests.one_answered()
        finally:
            requests.stop()
            call.cancel()
    if answered != rows:
        raise MalformedMessageError(f"the server answered {answered} of {rows} rows")


def infer_row(
    stub: InferenceStub,
    spec: ClientSpec,
    secret_keys: SecretKeys,
    encoded: npt.NDArray[np.int64],
    *,
    evaluation_keys: bytes,
    timeout: float,
    keep: Callable[[npt.NDArray[np.int64]], None],
    meter: Meter,
) -> bool:
    """Have a lone row evaluated by a unary call, on which a server spends a millisecond less than on a stream.

    Arguments are those of `infer`, `encoded` of one row.

    Returns:
        Whether the server has such calls. Where it has not, no answer is kept.

    Raises:
        ServerError: the server failed or refused.
        MalformedMessageError: the answer is not of the output's form.
    """
    header, row = _Requests(spec, secret_keys, encoded, evaluation_keys, meter)
    request = messages.inference.InferRowRequest(header=header.header, row=row.row)
    with typed_errors(_doing(spec)):
        call = stub.InferRow.future(request, timeout=timeout)
        _let_be_cancelled(call)
        try:
            response = call.result()
        except grpc.FutureCancelledError as error:
            raise ServerError(f"{_doing(spec)}: cancelled", code=grpc.StatusCode.CANCELLED.name) from error
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.UNIMPLEMENTED:
                return False
            raise
        finally:
            call.cancel()
    _take(response, spec, secret_keys, keep, meter)
    return True


def _doing(spec: ClientSpec) -> str:
    return f"evaluating with model {spec.model_name!r}"


def _let_be_cancelled(call: Cancellable) -> None:
    cancellation = CURRENT.get()
    if cancellation is not None:
        cancellation.attach(call)


def _take(
    response: messages.inference.InferResponse | messages.inference.InferRowResponse,
    spec: ClientSpec,
    secret_keys: SecretKeys,
    keep: Callable[[npt.NDArray[np.int64]], None],
    meter: Meter,
) -> None:
    with meter.timed("decrypt"):
        keep(decrypt(spec, secret_keys, read_tensor(spec, response.result)))
    _add_server_time(meter, response.wall_seconds, response.cpu_seconds)
    meter.count("rows", received=response.ByteSize(), rows=1)


class _Requests:
    """A header, then the rows, each encrypted when there is room for it."""

    def __init__(
        self,
        spec: ClientSpec,
        secret_keys: SecretKeys,
        encoded: npt.NDArray[np.int64],
        evaluation_keys: bytes,
        meter: Meter,
    ) -> None:
        self._spec = spec
        self._secret_keys = secret_keys
        self._encoded = encoded
        self._evaluation_keys = evaluation_keys
        self._meter = meter
        self._room = threading.Semaphore(ROWS_UNDERWAY)
        self._stopped = False

    def __iter__(self) -> Iterator[messages.inference.InferRequest]:
        header = messages.inference.InferHeader(
            model_name=self._spec.model_name,
            client_spec_digest=self._spec.digest,
            evaluation_keys=self._evaluation_keys,
        )
        yield self._counted(messages.inference.InferRequest(header=header))
        for row in self._encoded:
            self._room.acquire()
            if self._stopped:
                return
            with self._meter.timed("encrypt"):
                tensor = encrypt(self._spec, self._secret_keys, row)
            yield self._counted(messages.inference.InferRequest(row=tensor.to_message()))

    def one_answered(self) -> None:
        """There is room for one more row."""
        self._room.release()

    def stop(self) -> None:
        """Let the thread that reads end."""
        self._stopped = True
        self._room.release()

    def _counted(self, request: messages.inference.InferRequest) -> messages.inference.InferRequest:
        self._meter.count("rows", sent=request.ByteSize())
        return request


def _add_server_time(meter: Meter, wall: float, cpu: float) -> None:
    for phase, seconds in (("server_wall", wall), ("server_cpu", cpu)):
        if math.isfinite(seconds) and seconds >= 0:
            meter.add_time(phase, seconds)
