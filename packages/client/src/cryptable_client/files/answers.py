"""AnswersFile: what was answered already of a long run, so that one that was killed goes on where it stopped."""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from cryptable_protocol.errors import InvalidInputError
from cryptable_protocol.files.whole import OWNER_ONLY
from cryptable_protocol.model.client_spec import ClientSpec

_FORMAT = 2
_MOST_HEADER_BYTES = 1 << 10
_PART = struct.Struct("<Q32s32s")
"""Before each part's integers: their bytes, the SHA-256 of the rows that they answer, and of all these."""


class AnswersFile:
    """Decrypted integers of the first rows of a run: as secret as its output, readable by their owner alone.

    They are kept part after part, as a run asks for them, and taken back in the same order. Memory holds one part.
    To be used in a `with` block. A file that is there already must be of the same model.

    Args:
        path: of the file, which is made if there is none.
        spec: of the model.

    Raises:
        InvalidInputError: the file is of another model, or none of answers.
        OSError: it cannot be read or written.
    """

    def __init__(self, path: str | os.PathLike[str], spec: ClientSpec) -> None:
        self._path = Path(path)
        self._outputs = spec.parameters.outputs
        said = {"format": _FORMAT, "client_spec": spec.digest.hex()}
        header = json.dumps(said, sort_keys=True).encode() + b"\n"
        self._row_bytes = 8 * self._outputs
        self._kept: list[tuple[int, int, bytes]] = []
        self._taken = 0
        self._file: BinaryIO = open(  # noqa: SIM115 - closed by __exit__
            self._path, "a+b", opener=lambda name, flags: os.open(name, flags, OWNER_ONLY)
        )
        try:
            self._check_header(header)
            self._find_parts()
        except BaseException:
            self._file.close()
            raise

    def _check_header(self, header: bytes) -> None:
        self._file.seek(0)
        found = self._file.readline(_MOST_HEADER_BYTES)
        if not found:
            self._write(header)
        elif found != header:
            raise self._other("of another model, or none of answers")

    def _find_parts(self) -> None:
        """Take over what is whole; what a kill or a power cut left of a part goes, and all behind it."""
        end, whole = self._file.tell(), os.fstat(self._file.fileno()).st_size
        while len(head := self._file.read(_PART.size)) == _PART.size:
            size, rows, digest = _PART.unpack(head)
            start = self._file.tell()
            data = self._file.read(min(size, whole - start))
            if len(data) != size or size % self._row_bytes or _digest(rows, data) != digest:
                break
            self._kept.append((start, size, rows))
            end = self._file.tell()
        self._file.truncate(end)

    @property
    def rows(self) -> int:
        """Answered so far."""
        return sum(size for _, size, _ in self._kept) // self._row_bytes

    def take(self, encoded: npt.NDArray[np.int64]) -> npt.NDArray[np.int64] | None:
        """The answers to the rows that come next, shape (rows, inputs), as they were kept; None where none are left.

        Raises:
            InvalidInputError: those that are kept next are of other rows.
        """
        if self._taken == len(self._kept):
            return None
        start, size, rows = self._kept[self._taken]
        if rows != rows_digest(encoded):
            raise self._other("to other rows")
        self._file.seek(start)
        data = self._file.read(size)
        self._taken += 1
        return np.frombuffer(data, "<i8").reshape(-1, self._outputs).astype(np.int64)

    def append(self, encoded: npt.NDArray[np.int64], values: npt.NDArray[np.int64]) -> None:
        """Keep the answers to the rows that come next, shape (rows, outputs), after all others were taken."""
        data, rows = np.ascontiguousarray(values, "<i8").tobytes(), rows_digest(encoded)
        self._file.seek(0, os.SEEK_END)
        start = self._file.tell() + _PART.size
        self._write(_PART.pack(len(data), rows, _digest(rows, data)) + data)
        self._kept.append((start, len(data), rows))
        self._taken += 1

    def answered(
        self,
        chunks: Iterable[npt.NDArray[np.int64]],
        evaluate: Callable[[npt.NDArray[np.int64]], npt.NDArray[np.int64]],
    ) -> Iterator[npt.NDArray[np.int64]]:
        """Answers to encoded rows, chunk after chunk: those that are kept, and from there on evaluated ones."""
        for encoded in chunks:
            values = self.take(encoded)
            if values is None:
                values = evaluate(encoded)
                self.append(encoded, values)
            yield values

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._file.flush()

    def _other(self, what: str) -> InvalidInputError:
        return InvalidInputError(f"{self._path} has answers {what}: give another file, or remove it")

    def __enter__(self) -> AnswersFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def rows_digest(encoded: npt.NDArray[np.int64]) -> bytes:
    """SHA-256 of encoded rows and of how many they are."""
    shape = struct.pack("<QQ", *encoded.shape)
    return hashlib.sha256(shape + np.ascontiguousarray(encoded, "<i8").tobytes()).digest()


def _digest(rows: bytes, data: bytes) -> bytes:
    return hashlib.sha256(rows + data).digest()


def resumed(
    chunks: Iterable[npt.NDArray[np.int64]],
    evaluate: Callable[[npt.NDArray[np.int64]], npt.NDArray[np.int64]],
    spec: ClientSpec,
    path: str | os.PathLike[str] | None,
) -> Iterator[npt.NDArray[np.int64]]:
    """Answers to encoded rows, chunk after chunk; those that a file has are taken from it, others kept there."""
    if path is None:
        yield from map(evaluate, chunks)
        return
    with AnswersFile(path, spec) as kept:
        yield from kept.answered(chunks, evaluate)
