"""Where a tensor's columns come from: its canonical bytes, or a file, of which no more than a column is in memory."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Protocol

from cryptable_protocol import InternalError, MalformedMessageError
from cryptable_protocol.schemes.ring_tensor import SEED_BYTES, RingTensor
from cryptable_protocol.schemes.squares.bulk_parameters import BulkParameters


class Source(Protocol):
    """A tensor of rows in bulk."""

    @property
    def seed(self) -> bytes:
        """Of its masks."""

    def column(self, index: int) -> bytes | memoryview:
        """The packed body of a column."""


class TensorSource:
    """A tensor in memory, which parameters have found to be of their form."""

    def __init__(self, tensor: RingTensor, parameters: BulkParameters) -> None:
        if tensor.seed is None:
            raise InternalError("a tensor without a seed that was let through")
        self.seed = tensor.seed
        self._polynomials, self._each = memoryview(tensor.polynomials), parameters.column_bytes

    def column(self, index: int) -> memoryview:
        """See Source."""
        return self._polynomials[index * self._each : (index + 1) * self._each]


class FileSource:
    """A file of a seed and a tensor's polynomials; to be used in a `with` block.

    Raises:
        MalformedMessageError: it is not of the length that the parameters fix.
        OSError: it cannot be read.
    """

    def __init__(self, path: Path, parameters: BulkParameters) -> None:
        self._each = parameters.column_bytes
        self._file = path.open("rb", buffering=0)
        try:
            size, expected = os.fstat(self._file.fileno()).st_size, SEED_BYTES + parameters.row_bytes
            if size != expected:
                raise MalformedMessageError(f"row: a file of {size} bytes, expected {expected}")
            self.seed = self._read(0, SEED_BYTES)
        except BaseException:
            self._file.close()
            raise

    def column(self, index: int) -> bytes:
        """See Source."""
        return self._read(SEED_BYTES + index * self._each, self._each)

    def _read(self, start: int, size: int) -> bytes:
        self._file.seek(start)
        data = bytearray()
        while len(data) < size:
            part = self._file.read(size - len(data))
            if not part:
                raise MalformedMessageError(f"row: a file that ends after {start + len(data)} bytes")
            data += part
        return bytes(data)

    def __enter__(self) -> FileSource:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()
