"""BulkWay: many rows at once, under keys of their own that are made when they are first needed."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import numpy.typing as npt
from cryptable_protocol.errors import InvalidInputError
from cryptable_protocol.model.bulk_spec import BulkSpec
from cryptable_protocol.service import InferenceStub

from cryptable_client.errors import ServerError
from cryptable_client.keys.evaluation_keys import spool
from cryptable_client.keys.secret_keys import SecretKeys
from cryptable_client.schemes.scheme import check_security
from cryptable_client.server.meter import Meter
from cryptable_client.server.upload import SLOWEST_BYTES_PER_SECOND, EvaluationKeyUpload
from cryptable_client.server.ways import Way


class BulkWay:
    """Rows in bulk on one connection. The keys are of less than a megabyte, and deleted with it.

    Args:
        spec: what the server says of it.
        stub: of the service.
        timeout: seconds that each answer is waited for, beside what its upload may take.
        bars: whether progress is shown.
        meter: of the connection.
    """

    def __init__(self, spec: BulkSpec, stub: InferenceStub, *, timeout: float, bars: bool, meter: Meter) -> None:
        self._spec, self._stub = spec, stub
        self._timeout, self._bars, self._meter = timeout, bars, meter
        self._secret_keys: SecretKeys | None = None
        self._upload: EvaluationKeyUpload | None = None
        self._way: Way | None = None

    @classmethod
    def of(
        cls, spec: BulkSpec, stub: InferenceStub, *, timeout: float, bars: bool, meter: Meter, security_bits: int
    ) -> BulkWay | None:
        """None where its keys do not give as many bits of security as are asked for.

        Raises:
            WeakParametersError: the server's parameters are refused.
        """
        try:
            check_security(spec.spec, security_bits=security_bits)
        except InvalidInputError:
            return None
        return cls(spec, stub, timeout=timeout, bars=bars, meter=meter)

    def rows_of(self, rows: int) -> int:
        """How many of so many rows, the first ones, are less work in bulk, by what the server says."""
        most = self._spec.parameters.rows
        rest = rows % most
        return rows if rest >= self._spec.least_rows else rows - rest

    def answers(self, encoded: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Decrypted integers, shape (rows, outputs), of at least one row."""
        return self._ready().answers(encoded)

    def close(self, *, timeout: float) -> None:
        """Destroy the keys, here and on the server."""
        if self._secret_keys is None:
            return
        try:
            if self._upload is not None:
                with suppress(ServerError):  # where this fails, the server forgets them in its own time
                    self._upload.delete(timeout=timeout)
        finally:
            self._secret_keys.close()

    def _ready(self) -> Way:
        if self._way is None:
            self._secret_keys = SecretKeys.generate(self._spec.spec)
            with self._meter.timed("evaluation_keys"):
                spooled = self._secret_keys._spooled(lambda keys: spool(keys))
            self._upload = EvaluationKeyUpload(
                self._stub, spooled, timeout=self._timeout, bars=self._bars, meter=self._meter
            )
            with self._meter.timed("upload"):
                self._upload.ensure()
            timeout = self._timeout + self._spec.parameters.row_bytes / SLOWEST_BYTES_PER_SECOND
            self._way = Way(
                self._stub, self._spec.spec, self._secret_keys, self._upload, timeout=timeout, meter=self._meter
            )
        return self._way
