"""Parquet in and out, some rows at a time. pyarrow is loaded where such a file is met."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptable_protocol.errors import InvalidInputError
from cryptable_protocol.files.whole import whole_file

if TYPE_CHECKING:
    from types import ModuleType

PARQUET_SUFFIXES = frozenset({".parquet", ".pq"})


def is_parquet(path: str) -> bool:
    """By its ending."""
    return Path(path).suffix.lower() in PARQUET_SUFFIXES


class ParquetSource:
    """A file that is read once or more, some rows at a time.

    Raises:
        InvalidInputError: pyarrow is not installed, or the file is none that it reads.
    """

    def __init__(self, path: str) -> None:
        self._path, self._pyarrow = path, _pyarrow()
        with self._opened() as file:
            self.header: list[str] = list(file.schema_arrow.names)

    def chunks(self, positions: Sequence[int], rows_at_once: int) -> Iterator[list[Sequence[Any]]]:
        """Columns at these positions, of so many rows at most."""
        names = list(dict.fromkeys(self.header[position] for position in positions))
        with self._opened() as file:
            batches = file.iter_batches(batch_size=rows_at_once, columns=names)
            while (batch := self._read(lambda: next(batches, None))) is not None:
                columns = {name: batch.column(name).to_pylist() for name in names}
                yield [columns[self.header[position]] for position in positions]

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        with self._read(lambda: self._pyarrow.parquet.ParquetFile(self._path)) as file:
            yield file

    def _read(self, step: Callable[[], Any]) -> Any:  # noqa: ANN401
        try:
            return step()
        except (OSError, self._pyarrow.ArrowException) as error:
            raise InvalidInputError(f"{self._path}: not a Parquet file that can be read: {error}") from error


@contextmanager
def parquet_writer(path: str, header: Sequence[str]) -> Iterator[Callable[[Iterable[Sequence[Any]]], None]]:
    """What writes rows, of as many types as the first of them; the file is there whole when the block ends well."""
    pyarrow = _pyarrow()
    with whole_file(path) as file:
        made: list[Any] = []

        def write(rows: Iterable[Sequence[Any]]) -> None:
            columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in header]
            schema = made[0].schema if made else None
            if schema is not None and not columns[0]:
                return
            table = pyarrow.table(dict(zip(header, columns, strict=True)), schema=schema)
            if not made:
                made.append(pyarrow.parquet.ParquetWriter(file, table.schema))
            made[0].write_table(table)

        try:
            yield write
            if not made:
                write([])
        finally:
            for writer in made:
                writer.close()


def _pyarrow() -> ModuleType:
    try:
        import_module("pyarrow.parquet")
        return import_module("pyarrow")
    except ImportError as error:
        raise InvalidInputError(f"Parquet files need pyarrow ({error}): pip install pyarrow, or use CSV") from error
