"""AnswersFile: what was answered already of a long run, so that one that was killed goes on where it stopped."""

from __future__ import annotations

import hashlib
import json
import os
import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from cryptable_protocol.errors import InvalidInputError
from cryptable_protocol.files.whole import OWNER_ONLY
from cryptable_protocol.model.client_spec import ClientSpec

_FORMAT = 1
_MOST_HEADER_BYTES = 1 << 10
_PART = struct.Struct("<Q32s")
"""Before each part's integers: their bytes, and the SHA-256 of these."""


class AnswersFile:
    """Decrypted integers of the first rows of a run: as secret as its output, readable by their owner alone.

    To be used in a `with` block. A file that is there already must be of the same model and the same rows.

    Args:
        path: of the file, which is made if there is none.
        spec: of the model.
        encoded: all rows of the run, shape (rows, inputs).

    Raises:
        InvalidInputError: the file is of another model, of other rows, or none of answers.
        OSError: it cannot be read or written.
    """

    def __init__(self, path: str | os.PathLike[str], spec: ClientSpec, encoded: npt.NDArray[np.int64]) -> None:
        self._path = Path(path)
        self._outputs = spec.parameters.outputs
        rows = hashlib.sha256(np.ascontiguousarray(encoded, "<i8").tobytes()).hexdigest()
        said = {"format": _FORMAT, "client_spec": spec.digest.hex(), "shape": list(encoded.shape), "rows": rows}
        header = json.dumps(said, sort_keys=True).encode() + b"\n"
        self._row_bytes = 8 * self._outputs
        self._kept: list[npt.NDArray[np.int64]] = []
        self._file: BinaryIO = open(  # noqa: SIM115 - closed by __exit__
            self._path, "a+b", opener=lambda name, flags: os.open(name, flags, OWNER_ONLY)
        )
        try:
            self._check_header(header)
            self._read_parts()
        except BaseException:
            self._file.close()
            raise

    def _check_header(self, header: bytes) -> None:
        self._file.seek(0)
        found = self._file.readline(_MOST_HEADER_BYTES)
        if not found:
            self._write(header)
        elif found != header:
            raise InvalidInputError(
                f"{self._path} has answers of another model, or to other rows: give another file, or remove it"
            )

    def _read_parts(self) -> None:
        """Take over what is whole; what a kill or a power cut left of a part goes, and all behind it."""
        end = self._file.tell()
        while len(head := self._file.read(_PART.size)) == _PART.size:
            size, digest = _PART.unpack(head)
            data = self._file.read(size)
            if len(data) != size or size % self._row_bytes or hashlib.sha256(data).digest() != digest:
                break
            self._kept.append(np.frombuffer(data, "<i8").reshape(-1, self._outputs).astype(np.int64))
            end = self._file.tell()
        self._file.truncate(end)

    @property
    def rows(self) -> int:
        """Answered so far."""
        return sum(map(len, self._kept))

    def append(self, values: npt.NDArray[np.int64]) -> None:
        """Keep the answers to the rows that come next, shape (rows, outputs)."""
        data = np.ascontiguousarray(values, "<i8").tobytes()
        self._write(_PART.pack(len(data), hashlib.sha256(data).digest()) + data)
        self._kept.append(values)

    def read(self) -> npt.NDArray[np.int64]:
        """All that is kept, shape (rows, outputs)."""
        return np.concatenate([np.empty((0, self._outputs), np.int64), *self._kept])

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._file.flush()

    def __enter__(self) -> AnswersFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
