"""From a float plan to integers: one step for all scores, such that the error of no score can exceed a tolerance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.graph import IntArray
from cryptable.planner.trees.codes import Code
from cryptable.planner.trees.fill_tables import FloatOutput
from cryptable.planner.trees.rounding import round_values

Range = tuple[float, float]
"""Lowest and highest value of a score."""
_ROUNDING = 1e-6
"""What the rounding of doubles may add to an integer, by far."""
_SHRINK = 1.04
MAX_OUTPUT_WIDTH = 24


@dataclass(frozen=True, eq=False)
class IntegerTable:
    """One lookup: non-negative entries by code."""

    code: Code
    entries: IntArray


@dataclass(frozen=True, eq=False)
class SharedTable:
    """One lookup that all scores share: each adds its weight times the entry, which is not negative."""

    code: Code
    entries: IntArray
    weights: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class IntegerFunction:
    """A free function of one feature: what each of its bits adds."""

    bits: tuple[int, ...]
    weights: IntArray


@dataclass(frozen=True, eq=False)
class IntegerOutput:
    """One score: base + step * (the sum of tables + the sum of functions), the second factor in minimum .. maximum."""

    base: float
    tables: tuple[IntegerTable, ...]
    functions: tuple[IntegerFunction, ...]
    minimum: int
    maximum: int
    error: float
    """The score is never off by more than this."""


@dataclass(frozen=True, eq=False)
class QuantizedPlan:
    """All scores, on one step."""

    step: float
    outputs: tuple[IntegerOutput, ...]
    shared: tuple[SharedTable, ...] = ()

    @property
    def highest(self) -> int:
        """The highest value of an output, its minimum being taken as 0."""
        return max(output.maximum - output.minimum for output in self.outputs)

    @property
    def width(self) -> int:
        """Bits of the widest output."""
        return max(1, self.highest.bit_length())

    @property
    def error(self) -> float:
        """No score is off by more than this."""
        return max(output.error for output in self.outputs)


def quantize(outputs: Sequence[FloatOutput], *, tolerance: float, ranges: Sequence[Range]) -> QuantizedPlan:
    """The largest step that keeps every score within tolerance; then the smallest that costs no further output bit.

    Args:
        outputs: the float plan.
        tolerance: largest error of a score, in the score's own unit.
        ranges: within which each score is known to lie.

    Raises:
        UnsupportedModelError: the scores' range cannot be told apart that finely within MAX_OUTPUT_WIDTH bits.
    """
    parts = max(len(output.tables) + len(output.functions) for output in outputs)
    spread = max((_spread(output) for output in outputs), default=0.0) or 1.0
    # Half a step a part is the least that rounding can be relied on for; two values in all cost one step at most.
    step = min(8.0 * tolerance / max(1, min(parts, 8)), 2 * spread)
    while (plan := _quantize(outputs, ranges, step)).error > tolerance:
        step /= _SHRINK
        if spread / step > 1 << MAX_OUTPUT_WIDTH:
            raise UnsupportedModelError(
                f"scores range over {spread:.6g}: to tell them apart by {tolerance:.3g} takes more than "
                f"{MAX_OUTPUT_WIDTH} bits; raise tolerance="
            )
    return _refine(outputs, ranges, plan)


def _refine(outputs: Sequence[FloatOutput], ranges: Sequence[Range], plan: QuantizedPlan) -> QuantizedPlan:
    best, step = plan, plan.step
    while True:
        step /= _SHRINK
        finer = _quantize(outputs, ranges, step)
        if finer.width > plan.width:
            return best
        if finer.error < best.error:
            best = finer
        if finer.error == 0.0 or step * (1 << plan.width + 1) < plan.step:
            return best


def _spread(output: FloatOutput) -> float:
    tables = sum(float(np.ptp(table.entries)) for table in output.tables)
    return tables + sum(float(np.ptp(function.values)) for function in output.functions)


def _quantize(outputs: Sequence[FloatOutput], ranges: Sequence[Range], step: float) -> QuantizedPlan:
    quantized = (
        _narrow(_quantize_output(output, step), known, step) for output, known in zip(outputs, ranges, strict=True)
    )
    return QuantizedPlan(step, tuple(quantized))


def _narrow(output: IntegerOutput, known: Range, step: float) -> IntegerOutput:
    """With the range that the score's own range, which no sum of tables knows, leaves."""
    low, high = known
    slack = output.error / step + _ROUNDING
    minimum = max(output.minimum, math.ceil((low - output.base) / step - slack))
    maximum = min(output.maximum, math.floor((high - output.base) / step + slack))
    return replace(output, minimum=minimum, maximum=max(minimum, maximum))


def _quantize_output(output: FloatOutput, step: float) -> IntegerOutput:
    base, error = output.constant, 0.0
    low = high = 0
    tables, functions = [], []
    for table in output.tables:
        integers, constant, half_range = round_values(table.entries, step)
        base, error = base + constant, error + half_range
        if integers.any():
            tables.append(IntegerTable(table.code, integers))
        high += int(integers.max())
    for function in output.functions:
        integers, constant, half_range = round_values(function.values, step)
        base, error = base + constant + step * int(integers[0]), error + half_range
        integers = integers - integers[0]
        functions.append(IntegerFunction(function.bits, np.diff(integers)))
        low, high = low + int(integers.min()), high + int(integers.max())
    return IntegerOutput(base, tuple(tables), tuple(functions), low, high, error)


def scale_integral(
    outputs: Sequence[FloatOutput],
    *,
    step: float,
    base: Sequence[float],
    error: Sequence[float],
    ranges: Sequence[Range] | None = None,
) -> QuantizedPlan:
    """The plan of outputs whose tables and functions hold integers already, in units of `step`, and so do `ranges`."""
    integral = [_quantize_output(output, 1.0) for output in outputs]
    if ranges is not None:
        integral = [_narrow(output, known, 1.0) for output, known in zip(integral, ranges, strict=True)]
    return QuantizedPlan(
        step,
        tuple(
            replace(each, base=step * each.base + constant, error=step * each.error + known)
            for each, constant, known in zip(integral, base, error, strict=True)
        ),
    )
