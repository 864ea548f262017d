"""What is known of a preprocessed column as a function of one raw column: how it may be turned into bits or weights."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from cryptable.graphs.graph import MISSING_EDGE


@dataclass(frozen=True)
class Affine:
    """slope * x + a constant."""

    slope: float


@dataclass(frozen=True)
class Monotone:
    """Never decreasing, or never increasing, for raw numbers in lower .. upper; outside, as at that end."""

    increasing: bool
    lower: float = -np.inf
    upper: float = np.inf


@dataclass(frozen=True)
class Steps:
    """Constant between breaks: for breaks[i - 1] <= x < breaks[i] as at probes[i], a raw number there.

    Where the library refuses a number (an unknown category), it counts as the probe of its interval.
    """

    breaks: tuple[float, ...]
    probes: tuple[float, ...]

    def probe_of(self, x: float) -> float:
        """The raw number that stands for x."""
        return self.probes[bisect_right(self.breaks, x)]


@dataclass(frozen=True)
class Curve:
    """Continuous but for the breaks, and nothing else is known; for raw numbers in lower .. upper."""

    lower: float = -np.inf
    upper: float = np.inf


Shape: TypeAlias = Affine | Monotone | Steps | Curve


@dataclass(frozen=True)
class Column:
    """A preprocessed column: a constant plus a function of each of these raw columns, by their position.

    `mixed_by` names the step that made one column out of several.
    """

    shapes: dict[int, Shape] = field(default_factory=dict)
    mixed_by: str | None = None

    @property
    def source(self) -> int:
        """The one raw column that this depends on."""
        (only,) = self.shapes
        return only


def weighted_sum(columns: Iterable[tuple[float, Column]], made_by: str) -> Column:
    """The sum of weight * column, over the pairs whose weight is not zero."""
    by_source: dict[int, list[tuple[float, Shape]]] = {}
    mixed_by = None
    for weight, column in columns:
        if weight:
            mixed_by = mixed_by or column.mixed_by
            for source, shape in column.shapes.items():
                by_source.setdefault(source, []).append((weight, shape))
    if len(by_source) > 1:
        mixed_by = mixed_by or made_by
    return Column({source: sum_of_shapes(parts) for source, parts in by_source.items()}, mixed_by)


def sum_of_shapes(parts: list[tuple[float, Shape]]) -> Shape:
    """The shape of the sum of weight * function, all of one raw column."""
    varying = [part for part in parts if not _tells_missing_alone(part[1])]
    parts = varying or parts  # every planner asks what a missing number makes, whatever the shape
    shapes = [shape for _, shape in parts]
    slopes = [weight * shape.slope for weight, shape in parts if isinstance(shape, Affine)]
    if len(slopes) == len(parts):
        return Affine(sum(slopes))
    steps = [shape for shape in shapes if isinstance(shape, Steps)]
    if len(steps) == len(parts):
        return _union(steps)
    lower, upper = domain(shapes)
    if steps:
        return Curve(lower, upper)
    directions = {
        (weight * shape.slope > 0) if isinstance(shape, Affine) else shape.increasing == (weight > 0)
        for weight, shape in parts
        if isinstance(shape, Affine | Monotone)
    }
    if len(directions) == 1 and not any(isinstance(shape, Curve) for shape in shapes):
        return Monotone(directions.pop(), lower, upper)
    return Curve(lower, upper)


def _tells_missing_alone(shape: Shape) -> bool:
    """Whether it is the same for all numbers."""
    return isinstance(shape, Steps) and shape.breaks == (MISSING_EDGE,)


def domain(shapes: Iterable[Shape]) -> tuple[float, float]:
    """The raw numbers for which all of the shapes are defined."""
    bounded = [shape for shape in shapes if isinstance(shape, Monotone | Curve)]
    return max((each.lower for each in bounded), default=-np.inf), min((each.upper for each in bounded), default=np.inf)


def _union(steps: list[Steps]) -> Steps:
    breaks = sorted({edge for each in steps for edge in each.breaks})
    known = sorted({probe for each in steps for probe in each.probes})
    probes = []
    for low, high in zip([-np.inf, *breaks], [*breaks, np.inf], strict=True):
        inside = [probe for probe in known if low <= probe < high]
        probes.append(inside[0] if inside else steps[0].probe_of(low))
    return Steps(tuple(breaks), tuple(probes))
