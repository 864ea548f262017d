"""Raw columns as numbers, text and missing values included, and as the library takes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from cryptable_protocol import CategoricalEncoder, Missing
from cryptable_protocol.encoding.rows import is_missing

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.graph import MISSING_EDGE, FloatArray, Gaps, Rows


@dataclass(frozen=True, eq=False)
class RawColumns:
    """The raw columns: their names, some numbers of theirs, and how the library takes rows of them.

    `gaps` are those that hold more than finite numbers. A category is written as its level, a missing number as
    MISSING_EDGE; in `rows`, each missing number is replaced by the median of its column.
    """

    names: tuple[str, ...]
    rows: FloatArray
    as_library_rows: Callable[[FloatArray], Rows]
    gaps: Mapping[int, Gaps] = field(default_factory=dict)

    @classmethod
    def of(cls, kept: Rows, rows: npt.NDArray[Any], names: tuple[str, ...]) -> RawColumns:
        """Of calibration data, as the estimator takes it, and as doubles or objects of shape (rows, features).

        A pipeline that was fitted on a frame gets frames, with these columns and of doubles, but for text.
        """
        gaps = _gaps_of(rows, names)
        numbers = np.stack([_numbers(rows[:, index], gaps.get(index)) for index in range(len(names))], axis=1)
        labels = getattr(kept, "columns", None)
        if not gaps:
            frame = type(kept)
            return cls(names, numbers, lambda matrix: matrix if labels is None else frame(matrix, columns=labels))

        def decoded(matrix: FloatArray) -> Rows:
            columns = [_decoded(matrix[:, index], gaps.get(index)) for index in range(len(names))]
            if labels is not None:
                return type(kept)(dict(zip(labels, columns, strict=True)))
            return np.stack([column.astype(rows.dtype) for column in columns], axis=1)

        return cls(names, numbers, decoded, gaps)

    @property
    def base(self) -> FloatArray:
        """One row of the calibration data, which other columns keep while one is varied; shape (1, features)."""
        return self.rows[:1]

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
        return sorted({*gaps.levels, *([] if gaps.missing is None else [gaps.missing])})


def _gaps_of(rows: npt.NDArray[Any], names: tuple[str, ...]) -> dict[int, Gaps]:
    gaps: dict[int, Gaps] = {}
    for index, name in enumerate(names):
        column = rows[:, index]
        missing = np.isnan(column) if rows.dtype.kind == "f" else np.array([is_missing(value) for value in column])
        present = column[~missing]
        if rows.dtype.kind == "O" and any(isinstance(value, str) for value in present):
            if not all(isinstance(value, str) for value in present):
                raise UnsupportedModelError(
                    f"feature {name!r} holds text and numbers; make it one of them before fitting the pipeline"
                )
            categories = tuple(sorted(set(map(str, present))))
            first = int(len(categories) == 1 and not missing.any())  # an encoder has an element, so a level above 0
            levels = tuple(range(first, first + len(categories)))
            gaps[index] = CategoricalEncoder(name, categories, levels, len(levels) if missing.any() else None, None)
        elif missing.any():
            if missing.all():
                raise UnsupportedModelError(f"feature {name!r} has no value in X_train: leave it out")
            gaps[index] = Missing.HIGHEST
    return gaps


def _numbers(column: npt.NDArray[Any], gaps: Gaps | None) -> FloatArray:
    if isinstance(gaps, CategoricalEncoder):
        return gaps.levels_of(column).astype(np.float64)
    numbers = np.array([np.nan if is_missing(value) else value for value in column], np.float64)
    return numbers if gaps is None else np.where(np.isnan(numbers), np.nanmedian(numbers), numbers)


def _decoded(numbers: FloatArray, gaps: Gaps | None) -> npt.NDArray[Any]:
    """As the library takes them; numbers between levels count as the level below."""
    if isinstance(gaps, CategoricalEncoder):
        values: dict[int, object] = dict(zip(gaps.levels, gaps.categories, strict=True))
        if gaps.missing is not None:
            values[gaps.missing] = np.nan
        known = sorted(values)
        places = (np.searchsorted(known, numbers, side="right") - 1).clip(0, len(known) - 1)
        return np.array([values[known[place]] for place in places], object)
    return numbers if gaps is None else np.where(numbers >= MISSING_EDGE, np.nan, numbers)
