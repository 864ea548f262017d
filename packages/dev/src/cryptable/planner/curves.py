"""Plans models of curves: lines and curves are sent as integers, steps as bits; the circuit is one matrix."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from cryptable_engine.circuit.circuit import Circuit, GroupKind, Input, InputGroup, Linear, Term
from cryptable_protocol import (
    AffineEncoder,
    Decoder,
    FeatureEncoder,
    Missing,
    PolylineEncoder,
    UnusedFeature,
    limits,
)

from cryptable.errors import ConstantModelError, UnsupportedModelError
from cryptable.graphs.contributions import Contributions, contributions
from cryptable.graphs.curves import CurveModel, Polyline
from cryptable.graphs.graph import FloatArray, IntArray
from cryptable.planner.contributions import Part, tell_parts
from cryptable.planner.linear import DEFAULT_INPUT_BITS
from cryptable.planner.planned_model import PlannedModel
from cryptable.planner.registry import Task, planner
from cryptable.planner.thresholds.thermometers import encoder_of
from cryptable.planner.trees.rounding import round_values

_MARGIN = 1.0
"""How far the encoders of lines reach beyond the calibration data, on both sides, relative to its range."""
_EQUAL = 1e-9
"""Relative to what a missing value adds: rounding errors of the library's doubles."""
_MAX_WIDTH = 36
"""Bits of a score that crypto parameters exist for where nothing is looked up."""


@dataclass(frozen=True, eq=False)
class _Ranged:
    """A feature that is sent as one integer: weights times a number in lower .. upper.

    `missing` is what a missing value adds instead, shape (outputs,); None where none is taken.
    """

    feature: int
    weights: FloatArray
    lower: float
    upper: float
    polyline: Polyline | None
    missing: FloatArray | None

    @property
    def stand_in(self) -> float:
        """The number that a missing value counts as, as near as one number comes to what it adds."""
        missing = np.zeros_like(self.weights) if self.missing is None else self.missing
        return float(self.weights @ missing / (self.weights @ self.weights))

    @property
    def has_own_element(self) -> bool:
        """Whether no number adds what a missing value does, so that it takes an element of its own."""
        if self.missing is None:
            return False
        left = np.abs(self.missing - self.weights * self.stand_in).max()
        return bool(left > _EQUAL * max(float(np.abs(self.missing).max()), 1e-300))


@dataclass(frozen=True, eq=False)
class _Part:
    """What one feature becomes: an encoder, its input group, and integer weights of shape (elements, outputs)."""

    feature: int
    encoder: FeatureEncoder
    group: InputGroup
    weights: IntArray
    constant: FloatArray
    error: FloatArray


@planner(
    CurveModel,
    kind="a model of curves",
    cheaper="fewer features and fewer steps cost less: it has no lookups",
    explains=True,
)
def plan(graph: CurveModel, task: Task) -> PlannedModel:
    """For the registry."""
    input_bits = task.settings.input_bits or DEFAULT_INPUT_BITS
    told = contributions(graph) if task.settings.explain else None
    return plan_curves(graph, task.rows, tolerance=task.tolerance, input_bits=input_bits, told=told)


def plan_curves(
    graph: CurveModel, rows: FloatArray, *, tolerance: float, input_bits: int, told: Contributions | None = None
) -> PlannedModel:
    """Plan a model of curves.

    Half of the tolerance goes to rounding lines and curves, in equal parts; half to rounding the weights and the steps.

    Args:
        graph: the model.
        rows: calibration data, which sets the range of the encoders of lines; shape (rows, features).
        tolerance: largest error of a score, within the encoders' ranges.
        input_bits: most bits of a feature that is sent as a number.
        told: of each feature, to be answered beside the scores.

    Raises:
        UnsupportedModelError: the tolerance needs more than `input_bits`, or scores of too many bits.
    """
    ranged = _ranged(graph, rows)
    levels = [_levels(graph, each, tolerance, len(ranged), input_bits) for each in ranged]
    weighed = sum((count - 1) * (1 + each.has_own_element) for each, count in zip(ranged, levels, strict=True))
    unit = tolerance / (weighed / 2 + len(graph.steps))
    parts = [_ranged_part(graph, each, count, unit) for each, count in zip(ranged, levels, strict=True)]
    for step in graph.steps:
        part = _step_part(graph, step.feature, step.edges, step.values, unit)
        parts.append(part)
    base = graph.base + sum((part.constant for part in parts), start=np.zeros(graph.outputs))
    error = sum((part.error for part in parts), start=np.zeros(graph.outputs))
    everything = sorted(parts, key=lambda part: part.feature)
    parts = [part for part in everything if part.weights.any()]
    if not parts:
        raise ConstantModelError("the model gives the same scores for every input: there is nothing to compute")
    offset, width = _offset(parts)
    if width > _MAX_WIDTH:
        raise UnsupportedModelError(
            f"scores within {tolerance:.3g} take {width} bits, more than {_MAX_WIDTH}; raise tolerance="
        )
    encoders: list[FeatureEncoder] = [UnusedFeature(name) for name in graph.feature_names]
    for part in parts:
        encoders[part.feature] = part.encoder
    circuit = Circuit(
        (
            Input(tuple(part.group for part in parts)),
            Linear((Term.from_dense(0, np.concatenate([part.weights for part in parts])),), offset),
        ),
        1,
    )
    decoder = Decoder(graph.link, tuple((-offset).tolist()), unit, tuple(base.tolist()), graph.labels)
    planned = PlannedModel(circuit, tuple(encoders), decoder, float(error.max()))
    if told is None:
        return planned
    sent = {part.feature for part in parts}
    own = [
        Part(
            graph.feature_names[each.feature],
            each.weights if each.feature in sent else each.weights[:0],
            each.constant,
            each.error,
        )
        for each in everything
    ]
    return tell_parts(planned, own, told)


def _ranged(graph: CurveModel, rows: FloatArray) -> list[_Ranged]:
    result = []
    columns = graph.columns(rows)
    for line in graph.lines:
        seen = columns[line.feature][np.isfinite(columns[line.feature])]
        low, high = float(seen.min()), float(seen.max())
        # A feature that is constant in the calibration data may yet vary: by its own size.
        width = high - low or max(abs(low), 1.0)
        result.append(
            _Ranged(line.feature, line.slopes, low - _MARGIN * width, high + _MARGIN * width, None, line.missing)
        )
    for each in graph.polylines:
        low, high = float(each.values.min()), float(each.values.max())
        result.append(_Ranged(each.feature, each.weights, low, high, each, each.missing))
    return [_with_stand_in(each) for each in result if np.any(each.weights)]


def _with_stand_in(each: _Ranged) -> _Ranged:
    """With a range that holds what a missing value counts as."""
    if each.missing is None or each.has_own_element:
        return each
    return replace(each, lower=min(each.lower, each.stand_in), upper=max(each.upper, each.stand_in))


def _levels(graph: CurveModel, each: _Ranged, tolerance: float, parts: int, input_bits: int) -> int:
    step = tolerance / (parts * float(np.abs(each.weights).max()))
    count = max(int(np.ceil((each.upper - each.lower) / step)) + 1, 2)
    if count > min(1 << input_bits, limits.MAX_AFFINE_LEVELS):
        raise UnsupportedModelError(
            f"feature {graph.feature_names[each.feature]!r}: for scores within {tolerance:.3g} it needs "
            f"{int(np.ceil(np.log2(count)))} bits, input_bits is {input_bits}; raise tolerance= or input_bits="
        )
    return count


def _ranged_part(graph: CurveModel, each: _Ranged, levels: int, unit: float) -> _Part:
    step = (each.upper - each.lower) / (levels - 1)
    exact = each.weights * step
    weights: IntArray = np.rint(exact / unit).astype(np.int64)
    # An error of half a unit in a weight is multiplied by at most half the levels, once the middle is made exact.
    left = exact - weights * unit
    middle = (levels - 1) / 2
    constant = each.weights * each.lower + left * middle
    error = np.abs(left) * middle + np.abs(weights) * unit / 2
    missing, of_missing = _missing_elements(each, weights, constant, levels, unit)
    if each.missing is not None:
        sent = np.asarray(missing, np.int64) @ np.stack([weights, of_missing][: len(missing)])
        error = np.maximum(error, np.abs(each.missing - constant - sent * unit))
    name = graph.feature_names[each.feature]
    encoder: FeatureEncoder
    if each.polyline is None:
        encoder = AffineEncoder(name, each.lower, step, levels, missing)
    else:
        heights = np.clip((each.polyline.values - each.lower) / step, 0, levels - 1)
        encoder = PolylineEncoder(name, tuple(each.polyline.knots.tolist()), tuple(heights.tolist()), levels, missing)
    return _Part(
        each.feature,
        encoder,
        InputGroup(GroupKind.RANGE, encoder.size, levels - 1),
        np.stack([weights, of_missing][: encoder.size]),
        constant,
        error,
    )


def _missing_elements(
    each: _Ranged, weights: IntArray, constant: FloatArray, levels: int, unit: float
) -> tuple[tuple[int, ...], IntArray]:
    """What is sent for a missing value, and the weights of the element that only such a value has."""
    none: IntArray = np.zeros_like(weights)
    if each.missing is None:
        return (), none
    step = (each.upper - each.lower) / (levels - 1)
    if not each.has_own_element:
        return (int(np.clip(np.rint((each.stand_in - each.lower) / step), 0, levels - 1)),), none
    own: IntArray = np.rint((each.missing - constant) / (unit * (levels - 1))).astype(np.int64)
    return (0, levels - 1), own


def _step_part(graph: CurveModel, feature: int, edges: FloatArray, values: FloatArray, unit: float) -> _Part:
    """Edges at which no score's integer changes are dropped."""
    rounded = [round_values(column, unit) for column in values.T]
    integers: IntArray = np.stack([each[0] for each in rounded], axis=1)
    weights = np.diff(integers, axis=0)
    kept = np.flatnonzero(weights.any(axis=1))
    constant = np.array([each[1] for each in rounded]) + unit * integers[0]
    error = np.array([each[2] for each in rounded])
    name = graph.feature_names[feature]
    gaps = graph.gaps.get(feature, Missing.REFUSED)
    encoder = encoder_of(name, tuple(edges[kept].tolist()), as_float32=False, gaps=gaps)
    return _Part(feature, encoder, InputGroup(GroupKind.THERMOMETER, max(1, kept.size)), weights[kept], constant, error)


def _offset(parts: list[_Part]) -> tuple[IntArray, int]:
    """What makes every score's integer non-negative, and the bits of the widest."""
    outputs = parts[0].weights.shape[1]
    low, high = np.zeros(outputs, np.int64), np.zeros(outputs, np.int64)
    for part in parts:
        if part.group.kind is GroupKind.RANGE:
            extremes = part.weights * part.group.maximum  # of each element, independently
            low += np.minimum(extremes, 0).sum(axis=0)
            high += np.maximum(extremes, 0).sum(axis=0)
        else:
            extremes = np.cumsum(part.weights, axis=0)  # of a thermometer, the first bits are set
            low += np.minimum(extremes.min(axis=0), 0)
            high += np.maximum(extremes.max(axis=0), 0)
    offset: IntArray = -low
    return offset, int((high - low).max()).bit_length()
