"""Raw columns as numbers, text and missing values included, and as the library takes them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from cryptable_protocol import CategoricalEncoder, Missing
from cryptable_protocol.encoding.rows import is_missing

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.graph import MISSING_EDGE, FloatArray, Gaps, Rows
from cryptable.importers.column_values import Kind, Values, column_of
from cryptable.importers.pipelines.text_columns import KnownText, TextReaders

_BOOLEANS = (0.0, 1.0)
_NARROW = (np.dtype(np.float16), np.dtype(np.float32))
"""In which the library computes, where a column is of one."""


@dataclass(frozen=True, eq=False)
class RawColumns:
    """The raw columns: their names, some numbers of theirs, and how the library takes rows of them.

    `gaps` are those that hold more than finite numbers. A category is written as its level, a missing number as
    MISSING_EDGE; in `rows`, each missing number is replaced by the median of its column. `readers` are told of by the
    steps, and `text` is what is known of columns of text, by index. `opaque` says what is in those that hold dates and
    the like, which no step may read; there, `rows` are 0.
    """

    names: tuple[str, ...]
    rows: FloatArray
    as_library_rows: Callable[[FloatArray], Rows]
    gaps: Mapping[int, Gaps] = field(default_factory=dict)
    text: Mapping[int, KnownText] = field(default_factory=dict)
    readers: TextReaders = field(default_factory=TextReaders)
    opaque: Mapping[int, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        kept: Rows,
        rows: npt.NDArray[Any],
        names: tuple[str, ...],
        *,
        may_miss: Collection[int] = (),
        readers: TextReaders | None = None,
    ) -> RawColumns:
        """Of calibration data, as the estimator takes it, and as doubles or objects of shape (rows, features).

        A pipeline that was fitted on a frame gets frames, with these columns and of doubles, but for text. Where these
        rows are of single or half precision, it gets that, since its steps then compute in it.

        Args:
            kept: as the estimator takes it.
            rows: the same, of shape (rows, features).
            names: of the columns.
            may_miss: columns that may hold missing values though these rows have none there.
            readers: of columns of text, where they are known: what they know may stand there too.
        """
        readers = readers or TextReaders()
        text = {index: readers.known(index, seen) for index, seen in _texts_of(rows, names).items()}
        gaps = _gaps_of(rows, names, text, may_miss)
        numbers = np.stack([_numbers(rows[:, index], gaps.get(index)) for index in range(len(names))], axis=1)
        labels = getattr(kept, "columns", None)
        own = [column_of(kept, index) for index in range(len(names))]
        opaque = {index: each.told for index, each in enumerate(map(Values.of, own)) if each.kind is Kind.OTHER}
        kinds = [each.dtype if each.dtype in _NARROW else np.dtype(np.float64) for each in own]
        if not gaps and not opaque and len(set(kinds)) == 1:
            frame, kind = type(kept), kinds[0]
            return cls(
                names,
                numbers,
                lambda matrix: matrix.astype(kind) if labels is None else frame(matrix.astype(kind), columns=labels),
            )
        objects = {index for index in range(len(names)) if _is_of_objects(kept, index)}
        markers = [_marker(own[index] if index in objects else rows[:, index]) for index in range(len(names))]

        def decoded(matrix: FloatArray) -> Rows:
            columns = [
                np.repeat(own[index][:1], len(matrix))
                if index in opaque
                else _of_objects(matrix[:, index], own[index], markers[index])
                if index in objects and index not in text
                else _decoded(matrix[:, index], gaps.get(index), text.get(index), markers[index])
                for index in range(len(names))
            ]
            if labels is not None:
                typed = [
                    column.astype(kinds[index]) if kinds[index] in _NARROW else column
                    for index, column in enumerate(columns)
                ]
                return type(kept)(dict(zip(labels, typed, strict=True)))
            is_narrow = len(set(kinds)) == 1 and kinds[0] in _NARROW
            kind = kinds[0] if is_narrow else object if objects else rows.dtype
            return np.stack([column.astype(kind) for column in columns], axis=1)

        return cls(names, numbers, decoded, gaps, text, opaque=opaque)

    @property
    def base(self) -> FloatArray:
        """One row of the calibration data, which other columns keep while one is varied; shape (1, features)."""
        return self.rows[:1]

    def with_missing(self, source: int) -> FloatArray:
        """The base row, with a missing value in a column that may have one."""
        row = self.base.copy()
        gaps = self.gaps[source]
        row[0, source] = gaps.missing if isinstance(gaps, CategoricalEncoder) else MISSING_EDGE
        return row

    def reach(self, source: int, ranges: float) -> tuple[float, float]:
        """So many ranges of the calibration data below its least number, and above its greatest."""
        low, high = float(self.rows[:, source].min()), float(self.rows[:, source].max())
        width = max(high - low, abs(low), abs(high), 1.0)
        return low - ranges * width, high + ranges * width

    def levels(self, source: int) -> list[int] | None:
        """Those of a column of categories, ascending; None for numbers."""
        gaps = self.gaps.get(source)
        if not isinstance(gaps, CategoricalEncoder):
            return None
        return sorted({*gaps.levels, *(level for level in (gaps.missing, gaps.unknown) if level is not None)})


def _texts_of(rows: npt.NDArray[Any], names: tuple[str, ...]) -> dict[int, set[str]]:
    """The texts in each column that holds some, by index."""
    if rows.dtype.kind != "O":
        return {}
    found = {}
    for index, name in enumerate(names):
        present = [value for value in rows[:, index] if not is_missing(value)]
        if any(isinstance(value, str) for value in present):
            if not all(isinstance(value, str) for value in present):
                raise UnsupportedModelError(
                    f"feature {name!r} holds text and numbers; make it one of them before fitting the pipeline"
                )
            found[index] = set(map(str, present))
    return found


def _gaps_of(
    rows: npt.NDArray[Any], names: tuple[str, ...], text: Mapping[int, KnownText], may_miss: Collection[int]
) -> dict[int, Gaps]:
    gaps: dict[int, Gaps] = {}
    for index, name in enumerate(names):
        column = rows[:, index]
        missing = np.isnan(column) if rows.dtype.kind == "f" else np.array([is_missing(value) for value in column])
        misses = bool(missing.any()) or index in may_miss
        if index in text:
            gaps[index] = _encoder_of(name, text[index], misses=misses)
        elif misses:
            if missing.all():
                raise UnsupportedModelError(f"feature {name!r} has no value in X_train: leave it out")
            gaps[index] = Missing.HIGHEST
    return gaps


def _encoder_of(name: str, known: KnownText, *, misses: bool) -> CategoricalEncoder:
    """A level for each category, then one for a missing value, then one for anything else."""
    count = len(known.categories)
    further = misses + known.takes_unknown
    first = int(count == 1 and not further)  # an encoder has an element, so a level above 0
    levels = tuple(range(first, first + count))
    return CategoricalEncoder(
        name,
        known.categories,
        levels,
        count if misses else None,
        count + misses if known.takes_unknown else None,
    )


def _marker(column: npt.NDArray[Any]) -> object:
    """What marks a missing value there: libraries tell None from NaN."""
    if column.dtype.kind != "O":
        return np.nan
    return next((value for value in column if is_missing(value)), np.nan)


def _is_of_objects(table: Rows, index: int) -> bool:
    """Whether a column is of dtype object to the library itself, which a nullable one is not."""
    column = table.iloc[:, index] if hasattr(table, "iloc") else table[:, index]
    return bool(column.dtype == object)


def _of_objects(numbers: FloatArray, own: npt.NDArray[Any], marker: object) -> npt.NDArray[Any]:
    """Numbers, or booleans where the column has such, and the mark of a missing one: encoders tell None from NaN."""
    present = [value for value in own if not is_missing(value)]
    as_own = bool if present and all(isinstance(value, bool | np.bool_) for value in present) else float
    whole = [
        marker if each >= MISSING_EDGE else as_own(each) if each in _BOOLEANS else each for each in numbers.tolist()
    ]
    return np.array([*whole, None], object)[:-1]


def _numbers(column: npt.NDArray[Any], gaps: Gaps | None) -> FloatArray:
    if isinstance(gaps, CategoricalEncoder):
        return gaps.levels_of(column).astype(np.float64)
    numbers = np.array([np.nan if is_missing(value) else value for value in column], np.float64)
    return numbers if gaps is None else np.where(np.isnan(numbers), np.nanmedian(numbers), numbers)


def _decoded(numbers: FloatArray, gaps: Gaps | None, known: KnownText | None, marker: object) -> npt.NDArray[Any]:
    """As the library takes them; numbers between levels count as the level below."""
    if isinstance(gaps, CategoricalEncoder):
        values: dict[int, object] = dict(zip(gaps.levels, gaps.categories, strict=True))
        if gaps.missing is not None:
            values[gaps.missing] = marker
        if gaps.unknown is not None and known is not None:
            values[gaps.unknown] = known.stranger
        levels = sorted(values)
        places = (np.searchsorted(levels, numbers, side="right") - 1).clip(0, len(levels) - 1)
        return np.array([values[levels[place]] for place in places] + [None], object)[:-1]
    return numbers if gaps is None else np.where(numbers >= MISSING_EDGE, np.nan, numbers)
