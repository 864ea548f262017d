"""One Infer call: rows encrypted on the way out, answers decrypted on the way in."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
from cryptable_protocol import messages
from cryptable_protocol.errors import MalformedMessageError
from cryptable_protocol.model.client_spec import ClientSpec
from cryptable_protocol.service import InferenceStub

from cryptable_client.keys.encryption import decrypt, encrypt
from cryptable_client.keys.secret_keys import SecretKeys
from cryptable_client.schemes.scheme import read_tensor
from cryptable_client.server.cancellation import CURRENT
from cryptable_client.server.transport import Outgoing, typed_errors
from cryptable_client.server.upload import Count

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
    count: Count,
    time_spent: Callable[[str, float], None],
) -> None:
    """Have rows evaluated.

    Args:
        stub: of the service.
        spec: the model's specification.
        secret_keys: of its keyset.
        encoded: integers of shape (rows, spec.parameters.inputs).
        evaluation_keys: their SHA-256, or empty where the model needs none.
        timeout: seconds, for each row.
        keep: given each row's decrypted integers, of shape (spec.parameters.outputs,), in order.
        count: told the bytes of each message.
        time_spent: told the seconds of each phase.

    Raises:
        ServerError: the server failed or refused; answers kept so far stand.
        MalformedMessageError: an answer is out of order, missing, or not of the output's form.
    """
    rows = encoded.shape[0]
    requests = _Requests(spec, secret_keys, encoded, evaluation_keys, count, time_spent)
    answered = 0
    with typed_errors(f"evaluating with model {spec.model_name!r}"), Outgoing(iter(requests)) as outgoing:
        call = stub.Infer(outgoing, timeout=timeout * rows)
        cancellation = CURRENT.get()
        if cancellation is not None:
            cancellation.attach(call)
        try:
            for response in call:
                if answered == rows or response.row != answered:
                    raise MalformedMessageError(
                        f"the server answers row {response.row}, expected row {answered} of {rows}"
                    )
                began = time.perf_counter()
                keep(decrypt(spec, secret_keys, read_tensor(spec, response.result)))
                time_spent("decrypt", time.perf_counter() - began)
                _add_server_time(time_spent, response.wall_seconds, response.cpu_seconds)
                answered += 1
                count("rows", received=response.ByteSize(), rows=1)
                requests.one_answered()
        finally:
            requests.stop()
            call.cancel()
    if answered != rows:
        raise MalformedMessageError(f"the server answered {answered} of {rows} rows")


class _Requests:
    """A header, then the rows, each encrypted when there is room for it."""

    def __init__(
        self,
        spec: ClientSpec,
        secret_keys: SecretKeys,
        encoded: npt.NDArray[np.int64],
        evaluation_keys: bytes,
        count: Count,
        time_spent: Callable[[str, float], None],
    ) -> None:
        self._spec = spec
        self._secret_keys = secret_keys
        self._encoded = encoded
        self._evaluation_keys = evaluation_keys
        self._count = count
        self._time_spent = time_spent
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
            began = time.perf_counter()
            tensor = encrypt(self._spec, self._secret_keys, row)
            self._time_spent("encrypt", time.perf_counter() - began)
            yield self._counted(messages.inference.InferRequest(row=tensor.to_message()))

    def one_answered(self) -> None:
        """There is room for one more row."""
        self._room.release()

    def stop(self) -> None:
        """Let the thread that reads end."""
        self._stopped = True
        self._room.release()

    def _counted(self, request: messages.inference.InferRequest) -> messages.inference.InferRequest:
        self._count("rows", sent=request.ByteSize())
        return request


def _add_server_time(time_spent: Callable[[str, float], None], wall: float, cpu: float) -> None:
    for phase, seconds in (("server_wall", wall), ("server_cpu", cpu)):
        if math.isfinite(seconds) and seconds >= 0:
            time_spent(phase, seconds)
