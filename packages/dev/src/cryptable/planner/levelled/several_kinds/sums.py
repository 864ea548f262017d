"""What the parts of a sum that are no trees add to scores, column by column, as sums of bits."""

from __future__ import annotations

import numpy as np
from cryptable_protocol import CategoricalEncoder, Missing

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.additive import AdditiveModel, StepFunction
from cryptable.graphs.curves import CurveModel, Polyline
from cryptable.graphs.graph import FloatArray, Gaps, LinearModel, Rows
from cryptable.graphs.quadratic import QuadraticModel
from cryptable.planner.levelled.several_kinds.numbers import (
    BitSum,
    Parabola,
    range_of,
    sum_of_parabola,
    sum_of_polyline,
    sum_of_steps,
)


class Sums:
    """Collects functions of columns; those of one form of a column are added up.

    Args:
        names: of the columns.
        outputs: scores.
    """

    def __init__(self, names: tuple[str, ...], outputs: int) -> None:
        self._names = names
        self._outputs = outputs
        self._parabolas: dict[int, Parabola] = {}
        self._polylines: dict[int, Polyline] = {}
        self._steps: dict[tuple[int, bool], StepFunction] = {}
        self._gaps: dict[int, Gaps] = {}
        self.base: FloatArray = np.zeros(outputs)

    def add(self, graph: LinearModel | QuadraticModel | AdditiveModel | CurveModel) -> None:
        """All functions of a model.

        Raises:
            UnsupportedModelError: it has functions of pairs, or reads a column in another way than one before.
        """
        match graph:
            case LinearModel():
                self.base = self.base + graph.intercept
                for feature, slopes in enumerate(graph.coefficients):
                    self._add_parabola(feature, slopes, np.zeros(self._outputs), np.zeros(self._outputs), None)
            case QuadraticModel():
                self.base = self.base + graph.intercept
                of_columns = zip(graph.linear, graph.quadratic, graph.centre.tolist(), strict=True)
                for feature, (linear, bends, centre) in enumerate(of_columns):
                    slopes = linear - 2 * centre * bends
                    self._add_parabola(feature, slopes, bends, bends * centre**2 - linear * centre, None)
            case AdditiveModel():
                if graph.pairs:
                    raise UnsupportedModelError(
                        "functions of pairs of features cannot stand in a sum of models of several kinds: fit "
                        "explainable boosting machines with interactions=0"
                    )
                self.base = self.base + graph.base
                for each in graph.functions:
                    self._add_steps(each, as_float32=graph.as_float32)
            case CurveModel():
                self.base = self.base + graph.base
                self._add_gaps(graph)
                for line in graph.lines:
                    none = np.zeros(self._outputs)
                    self._add_parabola(line.feature, line.slopes, none, none, line.missing)
                for polyline in graph.polylines:
                    self._add_polyline(polyline)
                for each in graph.steps:
                    self._add_steps(each, as_float32=False)

    def bits(self, rows: Rows, unit: float) -> list[BitSum]:
        """Encoders and what their bits add, by column.

        Args:
            rows: calibration data, shape (rows, features).
            unit: of the scores: rounding a number to a level adds half of it at most.
        """
        ranged = [index for index, each in self._parabolas.items() if each.slopes.any() or each.bends.any()]
        share = unit / 2
        found: list[BitSum | None] = []
        for index in sorted({*ranged, *self._polylines, *(index for index, _ in self._steps)}):
            name = self._names[index]
            for as_float32 in (False, True):
                if (index, as_float32) in self._steps:
                    gaps = self._gaps.get(index, Missing.REFUSED)
                    found.append(sum_of_steps(name, self._steps[index, as_float32], gaps, as_float32=as_float32))
            if index in ranged:
                own = self._parabolas[index]
                ends = range_of(np.asarray(rows[:, index], np.float64), bends=bool(own.bends.any()))
                found.append(sum_of_parabola(index, name, own, ends, share))
            if index in self._polylines:
                found.append(sum_of_polyline(name, self._polylines[index], share))
        return [each for each in found if each is not None]

    def _add_parabola(
        self, feature: int, slopes: FloatArray, bends: FloatArray, constant: FloatArray, missing: FloatArray | None
    ) -> None:
        if not slopes.any() and not bends.any() and missing is None:
            self.base = self.base + constant
            return
        if feature not in self._parabolas:
            self._parabolas[feature] = Parabola(slopes, bends, constant, missing)
            return
        own = self._parabolas[feature]
        if (own.missing is None) != (missing is None):
            raise self._read_twice(feature)
        both = None if own.missing is None or missing is None else own.missing + missing
        self._parabolas[feature] = Parabola(own.slopes + slopes, own.bends + bends, own.constant + constant, both)

    def _add_polyline(self, own: Polyline) -> None:
        known = self._polylines.get(own.feature)
        if known is None:
            self._polylines[own.feature] = own
            return
        is_same = np.array_equal(known.knots, own.knots) and np.array_equal(known.values, own.values)
        if not is_same or (known.missing is None) != (own.missing is None):
            raise self._read_twice(own.feature)
        missing = None if known.missing is None or own.missing is None else known.missing + own.missing
        both = Polyline(own.feature, own.knots, own.values, known.weights + own.weights, missing)
        self._polylines[own.feature] = both

    def _add_steps(self, own: StepFunction, *, as_float32: bool) -> None:
        key = own.feature, as_float32
        known = self._steps.get(key)
        if known is None:
            self._steps[key] = own
            return
        edges = np.union1d(known.edges, own.edges)
        starts = np.concatenate([[-np.inf], edges])
        values = [each.values[np.searchsorted(each.edges, starts, side="right")] for each in (known, own)]
        self._steps[key] = StepFunction(own.feature, edges, values[0] + values[1])

    def _add_gaps(self, graph: CurveModel) -> None:
        for index, gaps in graph.gaps.items():
            if isinstance(gaps, CategoricalEncoder) and self._gaps.setdefault(index, gaps) != gaps:
                raise self._read_twice(index)
            self._gaps[index] = gaps

    def _read_twice(self, feature: int) -> UnsupportedModelError:
        return UnsupportedModelError(
            f"members read column {self._names[feature]!r} in different ways (categories, missing values, curves): put "
            "the steps that prepare it in a pipeline before all of them"
        )
