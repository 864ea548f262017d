"""Ways: how rows travel to a server, each alone or several together, and are sent again where that mends an error."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from cryptable_protocol.model.client_spec import ClientSpec
from cryptable_protocol.schemes.scheme import Batch
from cryptable_protocol.schemes.squares.bulk_parameters import BulkParameters
from cryptable_protocol.service import InferenceStub

from cryptable_client.errors import DataLossError, NotFoundError, ServerError, SpecChangedError, UnavailableError
from cryptable_client.keys.secret_keys import SecretKeys
from cryptable_client.server.inference import Inference
from cryptable_client.server.meter import Meter
from cryptable_client.server.upload import EvaluationKeyUpload

_ATTEMPTS = 3
"""Streams begun in a row without a single answer, before an error is the caller's."""


def rows_in_a_tensor(rows: int, batch: Batch | None, *, is_near: bool, wanted: bool | None) -> int:
    """How many rows travel in each tensor; 0 for each alone.

    Rows that travel together take a few times fewer bytes, and about twice the seconds of CPU on the server, where one
    core evaluates those of a tensor. So they do wherever bytes take time, in tensors as full as each other.

    Args:
        rows: to evaluate.
        batch: how the server takes rows together; None where it does not.
        is_near: the server is this very machine, where bytes take no time.
        wanted: True or False of who knows better; None to decide.
    """
    if batch is None or rows < 2 or wanted is False or (wanted is None and is_near):
        return 0
    tensors = -(-rows // batch.most_rows)
    return -(-rows // tensors)


class Way:
    """Rows of one specification, under one set of keys.

    Args:
        stub: of the service.
        spec: that rows are encrypted by.
        secret_keys: of its keyset.
        upload: of their evaluation keys; None where the model needs none.
        timeout: seconds that each answer is waited for.
        meter: of the connection.
        batch: how the server takes rows together; None where it does not.
        is_near: see `rows_in_a_tensor`, as of `wanted`.
    """

    def __init__(
        self,
        stub: InferenceStub,
        spec: ClientSpec,
        secret_keys: SecretKeys,
        upload: EvaluationKeyUpload | None,
        *,
        timeout: float,
        meter: Meter,
        batch: Batch | None = None,
        is_near: bool = True,
        wanted: bool | None = None,
    ) -> None:
        self._upload = upload
        self._timeout = timeout
        self._outputs = spec.parameters.outputs
        self._batch, self._is_near, self._wanted = batch, is_near, wanted
        self._has_infer_row = not isinstance(spec.parameters, BulkParameters)  # until the server says that it has not
        self._inference = Inference(
            stub,
            spec,
            secret_keys,
            evaluation_keys=b"" if upload is None else upload.header.sha256,
            timeout=timeout,
            meter=meter,
        )

    def answers(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Decrypted integers, shape (rows, outputs), of encoded rows, shape (rows, inputs)."""
        answers: list[npt.NDArray[np.int64]] = []
        attempts, patience = 0, self._timeout
        while len(answers) < len(rows):
            before = len(answers)
            try:
                self._infer(rows[before:], answers.append)
            except ServerError as error:
                attempts, patience = (1, self._timeout) if len(answers) > before else (attempts + 1, patience)
                if attempts == _ATTEMPTS or not self._mended(error, patience):
                    raise
                patience -= error.retry_after or 0.0
        return np.stack(answers) if answers else np.empty((0, self._outputs), np.int64)

    def _infer(self, rows: npt.NDArray[np.int64], keep: Callable[[npt.NDArray[np.int64]], None]) -> None:
        if len(rows) == 1 and self._has_infer_row:
            self._has_infer_row = self._inference.lone_row(rows, keep)
            if self._has_infer_row:
                return
        together = rows_in_a_tensor(len(rows), self._batch, is_near=self._is_near, wanted=self._wanted)
        replace(self._inference, batch=self._batch).rows(rows, keep, together=together)

    def _mended(self, error: ServerError, patience: float) -> bool:
        """Whether rows that are left may be sent again, each encrypted anew. The status decides, never an answer.

        A server that asks for more than `patience` seconds is not waited for: the caller hears how long it would be.
        """
        match error:
            case NotFoundError() | DataLossError():  # the server may have lost the evaluation keys in the meantime
                return self._upload is not None and self._upload.ensure()
            case SpecChangedError() if self._batch is not None:  # of rows together: another spec is refused when alone
                self._batch = None
                return True
            case UnavailableError() if error.retry_after is not None and error.retry_after <= patience:
                time.sleep(error.retry_after)
                return True
        return False
