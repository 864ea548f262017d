"""A stage of a pipeline: what its columns are, and the library's own transform from raw numbers up to here."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from cryptable_protocol import Missing

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.graph import MISSING_EDGE, FloatArray, IntArray, Rows
from cryptable.importers.column_values import Kind, Values, column_of
from cryptable.importers.pipelines.raw_columns import RawColumns
from cryptable.importers.pipelines.shapes import Affine, Column, Curve, Monotone, Steps, domain

Step: TypeAlias = Any
"""A fitted transformer."""

_REACH = (1e6, 1e3, 10.0, 1.0, 0.1, 0.0)
"""How many ranges of the calibration data thresholds are looked for beyond it, on both sides; the first that works."""


@dataclass(frozen=True, eq=False)
class Stage:
    """Columns between two steps of a pipeline.

    `transform` is the library's own: from raw numbers, shape (rows, raw columns), to what it hands to the next step.
    """

    raw: RawColumns
    columns: tuple[Column, ...]
    transform: Callable[[FloatArray], Rows]
    step: str = ""
    """The step that is being read, for messages."""

    @classmethod
    def start(cls, raw: RawColumns) -> Stage:
        """Before the first step."""
        columns = []
        for index in range(len(raw.names)):
            levels = raw.levels(index)
            shape = Affine(1.0) if levels is None else Steps(tuple(map(float, levels[1:])), tuple(map(float, levels)))
            columns.append(Column({index: shape}))
        return cls(raw, tuple(columns), raw.as_library_rows)

    def select(self, positions: IntArray) -> Stage:
        """The stage of some of its columns, as a ColumnTransformer selects them."""

        def transform(matrix: FloatArray) -> Rows:
            rows = self.transform(matrix)
            return rows.iloc[:, positions] if hasattr(rows, "iloc") else rows[:, positions]

        return replace(self, columns=tuple(self.columns[index] for index in positions), transform=transform)

    def refusal(self, reason: str) -> UnsupportedModelError:
        """The error that names the step."""
        return UnsupportedModelError(f"step {self.step}: {reason}")

    def values(self, matrix: FloatArray) -> FloatArray:
        """The columns' values for raw rows, shape (rows, columns), in double precision."""
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # of unknown categories and overflows far from the data: asked for
            result = self.transform(matrix)
        return _as_doubles(result.toarray() if hasattr(result, "toarray") else result)

    def width(self) -> int:
        """Columns that the library's transform makes; they need not be numbers."""
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return int(np.shape(self.transform(self.raw.base))[1])

    def values_along(self, source: int, numbers: FloatArray) -> FloatArray:
        """The columns' values as one raw column takes these numbers, shape (numbers, columns)."""
        matrix = np.repeat(self.raw.base, numbers.shape[0], axis=0)
        matrix[:, source] = numbers
        return self.values(matrix)

    def univariate(self, index: int) -> Column:
        """A column that is a function of one raw column, or a constant.

        Raises:
            UnsupportedModelError: it is made of several.
        """
        column = self.columns[index]
        self._check_source(column)
        if len(column.shapes) > 1:
            names = [self.raw.names[source] for source in column.shapes]
            raise self.refusal(
                f"its column {index} is a mix of {len(names)} columns ({', '.join(names[:4])}, …), made by step "
                f"{column.mixed_by}; only linear models can follow that step: leave it out, or fit a linear model"
            )
        return column

    def check_sources(self) -> None:
        """Refuse columns that are made of dates and the like: raises UnsupportedModelError, which names one."""
        for column in self.columns:
            self._check_source(column)

    def _check_source(self, column: Column) -> None:
        for source in column.shapes:
            if source in self.raw.opaque:
                where = f"step {self.step}: " if self.step else ""
                raise UnsupportedModelError(
                    f"{where}column {self.raw.names[source]!r} holds {self.raw.opaque[source]}, which clients do not "
                    "send: make numbers or text of it before the pipeline, or drop it"
                )

    def value_of_missing(self, index: int) -> float | None:
        """What a column of one source is where that number is missing, NaN where it stays so; None if it never is."""
        source = self.univariate(index).source
        if not isinstance(self.raw.gaps.get(source), Missing):
            return None
        return float(self.values_along(source, np.array([MISSING_EDGE]))[0, index])

    def first_reaching(self, index: int, thresholds: FloatArray, *, as_float32: bool = False) -> FloatArray:
        """Where an increasing column becomes >= threshold, or a decreasing one < threshold: the least raw number.

        Found by bisection over the doubles with the library's own transform, so exact to the last bit.

        Args:
            index: a column of one source, affine or monotone.
            thresholds: shape (thresholds,).
            as_float32: whether the column is rounded to float32 before it is compared.

        Returns:
            Shape (thresholds,); -inf where that holds for every number, inf where for none.
        """
        return self.first_reaching_each({index: thresholds}, as_float32=as_float32)[index]

    def first_reaching_each(
        self, wanted: Mapping[int, FloatArray], *, as_float32: bool = False
    ) -> dict[int, FloatArray]:
        """`first_reaching` of several columns; those of different sources are probed in the same rows."""
        found: dict[int, FloatArray] = {index: np.empty(0) for index in wanted}
        left = {index: thresholds for index, thresholds in wanted.items() if thresholds.size}
        while left:
            batch = {self.univariate(index).source: index for index in left}
            thresholds = {index: left.pop(index) for index in batch.values()}
            found |= self._first_reaching(thresholds, as_float32)
        return found

    def _first_reaching(self, wanted: dict[int, FloatArray], as_float32: bool) -> dict[int, FloatArray]:
        """Of columns of different sources."""
        indices = list(wanted)
        sources = [self.univariate(index).source for index in indices]
        rises = np.array([self.rises(index) for index in indices])
        count = max(each.size for each in wanted.values())
        thresholds = np.stack([np.pad(each, (0, count - each.size), mode="edge") for each in wanted.values()], axis=1)

        def reached(numbers: FloatArray) -> npt.NDArray[np.bool_]:
            matrix = np.repeat(self.raw.base, count, axis=0)
            matrix[:, sources] = numbers
            values = self.values(matrix)[:, indices]
            undefined = np.argwhere(np.isnan(values))
            if undefined.size:
                row, place = undefined[0]
                name = self.raw.names[sources[place]]
                raise self.refusal(f"it makes NaN of {numbers[row, place]:.6g} in column {name!r}")
            if as_float32:
                values = to_float32(values)
            hit: npt.NDArray[np.bool_] = (values >= thresholds) == rises
            return hit

        ends = np.array([self.ends(self.columns[index]) for index in indices])
        low, high = (_ordinal(np.tile(each, (count, 1))) for each in ends.T)
        always, never = reached(_double(low)), ~reached(_double(high))
        while (high > low + 1).any():
            middle = (low >> 1) + (high >> 1) + (low & high & 1)  # high - low may overflow
            hit = reached(_double(middle))
            low, high = np.where(hit, low, middle), np.where(hit, middle, high)
        result = _double(high)
        result[never] = np.inf
        result[always] = -np.inf
        return {index: result[: each.size, place] for place, (index, each) in enumerate(wanted.items())}

    def rises(self, index: int) -> bool:
        """Whether a monotone column rises with its source, rather than falls."""
        column = self.univariate(index)
        match column.shapes[column.source]:
            case Affine(slope):
                return slope > 0
            case Monotone() as shape:
                return shape.increasing
            case _:
                name = self.raw.names[column.source]
                raise self.refusal(f"its column {index} is not monotone in column {name!r}")

    def steps_at(self, index: int, edges: FloatArray) -> Column:
        """The column that a step makes of column `index` by comparing it with edges: constant between them."""
        column = self.univariate(index)
        if not column.shapes or isinstance(column.shapes[column.source], Steps):
            return column
        if not edges.size:
            return Column()
        ordered = np.unique(edges)
        breaks = np.unique(self.first_reaching(index, ordered))
        breaks = breaks[np.isfinite(breaks)]
        lowest, _ = self.ends(column)
        return Column({column.source: Steps(tuple(breaks.tolist()), (lowest, *breaks.tolist()))})

    def steps_of_categories(self, index: int, categories: FloatArray, *, others_differ: bool) -> Column:
        """The column that a step makes of column `index` by looking its numbers up among categories.

        Args:
            index: of the column.
            categories: numbers, increasing.
            others_differ: whether numbers that are no category have an answer of their own; else the library refuses
                them, and here they count as the category below, or as the first.
        """
        column = self.univariate(index)
        if not column.shapes or isinstance(column.shapes[column.source], Steps):
            return column
        if others_differ:
            return self.steps_at(index, np.concatenate([categories, np.nextafter(categories, np.inf)]))
        breaks = self.first_reaching(index, categories)
        if not self.rises(index) or not np.isfinite(breaks).all():
            raise self.refusal(
                f"the categories of its column {index} are not numbers of column {self.raw.names[column.source]!r}: "
                "put the encoder before any scaler, or set handle_unknown='ignore'"
            )
        return Column({column.source: Steps(tuple(breaks[1:].tolist()), tuple(breaks.tolist()))})

    def apart_if_missing(self, column: Column) -> Column:
        """A column of steps, of one raw column, that has a step of its own where that is missing, if it may be."""
        if not column.shapes or not isinstance(self.raw.gaps.get(column.source), Missing):
            return column
        steps = column.shapes[column.source]
        if not isinstance(steps, Steps):
            return column
        return Column({column.source: Steps((*steps.breaks, MISSING_EDGE), (*steps.probes, MISSING_EDGE))})

    def monotone_of(
        self, index: int, *, increasing: bool = True, lower: float = -np.inf, upper: float = np.inf
    ) -> Column:
        """The column that a monotone function, defined for lower .. upper, makes of column `index`."""
        column = self.univariate(index)
        if not column.shapes or isinstance(column.shapes[column.source], Steps):
            return column
        shape = column.shapes[column.source]
        if isinstance(shape, Curve):
            return column
        low, high = domain([shape])
        rises = self.rises(index)
        if lower > -np.inf:
            low, high = self._narrowed(index, lower, low, high, keeps_above=rises)
        if upper < np.inf:
            low, high = self._narrowed(index, float(np.nextafter(upper, np.inf)), low, high, keeps_above=not rises)
        return Column({column.source: Monotone(rises == increasing, low, high)})

    def _narrowed(
        self, index: int, threshold: float, low: float, high: float, *, keeps_above: bool
    ) -> tuple[float, float]:
        found = float(self.first_reaching(index, np.array([threshold]))[0])
        if keeps_above:
            return max(low, found), high
        return low, min(high, float(np.nextafter(found, -np.inf)))

    def ends(self, column: Column) -> tuple[float, float]:
        """The least and the greatest raw number that a column of one source is probed at.

        As far beyond the calibration data as the steps stay finite, up to a million times its range.
        """
        source, (lower, upper) = column.source, domain(column.shapes.values())
        its_own = [index for index, each in enumerate(self.columns) if source in each.shapes]
        for ranges in _REACH:
            low, high = self.raw.reach(source, ranges)
            ends = np.clip([low, high], lower, upper)
            try:
                answers = self.values_along(source, ends)[:, its_own]
            except ValueError:  # a step refuses what the step before it made of so large a number
                continue
            if np.isfinite(answers).all():
                return float(ends[0]), float(ends[1])
        name = self.raw.names[source]
        raise self.refusal(f"it fails for numbers like those of column {name!r} in the calibration data")


def _as_doubles(table: Rows) -> FloatArray:
    """Shape (rows, columns); NaN in columns of text and of what else is no number, which are never asked for."""
    array = np.asarray(table)
    if array.dtype.kind in "buif":
        return array.astype(np.float64)
    columns = [Values.of(column_of(table, index)) for index in range(array.shape[1])]
    numbers = [each.numbers if each.kind is Kind.NUMBERS else np.full(len(array), np.nan) for each in columns]
    return np.stack(numbers, axis=1) if numbers else np.empty((len(array), 0))


def to_float32(values: FloatArray) -> FloatArray:
    """Rounded to float32; infinite beyond its range."""
    with np.errstate(over="ignore"):
        return values.astype(np.float32).astype(np.float64)


_SIGN = np.int64(-(2**63))


def _ordinal(numbers: FloatArray) -> IntArray:
    """Integers in the order of the doubles, one apart for neighbours."""
    bits = np.where(numbers == 0, 0.0, numbers).view(np.int64)  # one zero only
    return np.where(bits < 0, _SIGN - bits, bits)


def _double(ordinals: IntArray) -> FloatArray:
    return np.where(ordinals < 0, _SIGN - ordinals, ordinals).view(np.float64)
