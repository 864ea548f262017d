"""Plans quadratic models: a feature is sent as a level and a product of levels, and the circuit is one matrix.

With y of 0 .. M for a feature's level, every quadratic function of y is a constant and a linear map of y and
4 * y * (M - y) / M, the two elements of a quadratic encoder. Precision costs next to nothing here, but has an end: fine
levels need fine weights, and those large sums.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from cryptable_engine.circuit.circuit import Circuit, GroupKind, Input, InputGroup, Linear, Term
from cryptable_protocol import Decoder, FeatureEncoder, QuadraticEncoder, UnusedFeature
from cryptable_protocol.limits import MAX_AFFINE_LEVELS

from cryptable.errors import ConstantModelError, UnsupportedModelError
from cryptable.graphs.contributions import Contributions, contributions
from cryptable.graphs.graph import FloatArray, IntArray
from cryptable.graphs.quadratic import QuadraticModel
from cryptable.planner.contributions import Part, tell_parts
from cryptable.planner.linear import calibrated_ranges
from cryptable.planner.planned_model import PlannedModel
from cryptable.planner.registry import Task, planner

MAX_PRECISION = 56.0
"""Bits of a score plus log2 of its weights' Euclidean norm: what 64-bit ciphertexts of 128-bit security leave above
negligible noise (2^-62 fresh, 2^2.8 standard deviations for p_error 2^-40, 1 bit of padding, 1 for rounding)."""
TARGET = 0.01
"""Largest error of a score that is aimed at, in log-odds; steep models end up above it."""
CLOSER = (
    "features that hardly vary within a class make scores immense, for which no plan is fine enough: leave them out, "
    "or fit GaussianNB with a larger var_smoothing=, as 1e-3"
)
_MARGIN = 0.25
"""How far the encoders reach beyond the calibration data, on both sides, relative to its range."""
_FINENESS = 2.0 ** np.arange(0, 24)


@dataclass(frozen=True, eq=False)
class _Draft:
    """One choice of levels, and the weights and errors that follow.

    `constants` and `errors` are those of each feature, shape (features, outputs).
    """

    lower: FloatArray
    width: FloatArray
    levels: IntArray
    weights: IntArray
    step: float
    constants: FloatArray
    base: FloatArray
    errors: FloatArray

    @property
    def error(self) -> float:
        """Largest of a score."""
        return float(self.errors.sum(axis=0).max())

    @property
    def maxima(self) -> IntArray:
        """Largest value of each element: level, product, level, product, ..."""
        return (self.levels - 1).repeat(2)


def as_exact_as_can_be(_graph: QuadraticModel, _scores: FloatArray) -> float:
    """Precision is nearly free here."""
    return math.inf


@planner(
    QuadraticModel,
    kind="a quadratic model",
    cheaper="fewer features cost less: it has no lookups",
    closer=CLOSER,
    tolerance=as_exact_as_can_be,
    explains=True,
)
def plan(graph: QuadraticModel, task: Task) -> PlannedModel:
    """For the registry."""
    told = contributions(graph) if task.settings.explain else None
    return plan_quadratic(graph, task.rows, tolerance=task.tolerance, told=told)


def plan_quadratic(
    graph: QuadraticModel, rows: FloatArray, *, tolerance: float, told: Contributions | None = None
) -> PlannedModel:
    """Plan a quadratic model, as exact as TARGET asks for or as can be.

    Args:
        graph: the model.
        rows: calibration data, which sets the range of each encoder; shape (rows, features).
        tolerance: largest error of a score, within the encoders' ranges; infinite to take what comes.
        told: of each feature, to be answered beside the scores.

    Raises:
        UnsupportedModelError: the scores are the same for every input, or the tolerance asks for too much.
    """
    used = np.flatnonzero((np.abs(graph.quadratic) + np.abs(graph.linear)).max(axis=1) > 0)
    if not used.size:
        raise ConstantModelError("the model gives the same scores for every input: there is nothing to compute")
    target = min(tolerance, TARGET)
    best: _Draft | None = None
    for fineness in _FINENESS:
        draft = _draft(graph, rows, used, target * fineness)
        if best is None or draft.error < best.error:
            best = draft
        if best.error <= target:
            break
    if best is None or best.error > tolerance:
        reached = float("nan") if best is None else best.error
        raise UnsupportedModelError(
            f"scores cannot be computed within {tolerance:.3g}, only within {reached:.3g}: they vary steeply over the "
            f"range of the calibration data; set tolerance={1.01 * reached:.3g} or none, or fit without outliers"
        )
    encoders: list[FeatureEncoder] = [UnusedFeature(name) for name in graph.feature_names]
    for index, feature in enumerate(used.tolist()):
        encoders[feature] = QuadraticEncoder(
            graph.feature_names[feature],
            float(best.lower[index]),
            float(best.width[index]),
            int(best.levels[index]),
        )
    offset: IntArray = -np.minimum(best.weights * best.maxima[:, None], 0).sum(axis=0)
    circuit = Circuit(
        (
            Input(tuple(InputGroup(GroupKind.RANGE, 2, maximum) for maximum in (best.levels - 1).tolist())),
            Linear((Term.from_dense(0, best.weights),), offset),
        ),
        1,
    )
    decoder = Decoder(graph.link, tuple((-offset).tolist()), best.step, tuple(best.base.tolist()), graph.labels)
    planned = PlannedModel(circuit, tuple(encoders), decoder, best.error)
    if told is None:
        return planned
    parts = [
        Part(graph.feature_names[feature], best.weights[2 * index : 2 * index + 2], constant, error)
        for index, (feature, constant, error) in enumerate(zip(used.tolist(), best.constants, best.errors, strict=True))
    ]
    return tell_parts(planned, parts, told)


def _draft(graph: QuadraticModel, rows: FloatArray, used: IntArray, aim: float) -> _Draft:
    """Levels such that rounding features adds half of `aim` at most, and weights as fine as fit MAX_PRECISION."""
    square, linear = graph.quadratic[used], graph.linear[used]
    lower, upper = calibrated_ranges(rows[:, used], margin=_MARGIN)
    span, start = (upper - lower)[:, None], (lower - graph.centre[used])[:, None]
    # f(x) = f(lower) + rise * y / M + bend * 4 * y * (M - y) / M²
    rise = span * (linear + square * (span + 2 * start))
    bend = -square * np.square(span) / 4
    wanted = np.ceil((np.abs(rise) + np.abs(bend)).max(axis=1) * used.size / aim) + 1
    levels = np.clip(wanted, 2, MAX_AFFINE_LEVELS).astype(np.int64)
    top = (levels - 1)[:, None]
    # Rows of level, product, level, product, ...: what one unit of each adds to the scores.
    exact = np.stack([rise / top, bend / top], axis=1).reshape(2 * used.size, -1)
    half_maxima = top.repeat(2, axis=0) / 2
    reach = float((np.abs(exact) * 2 * half_maxima).sum(axis=0).max())
    norm = float(np.sqrt(np.square(exact).sum(axis=0)).max())
    # An error of half a unit in a weight is multiplied by at most half the maximum, once the middle is made exact.
    step = max(aim / 2 / float(half_maxima.sum()), float(np.sqrt(reach * norm / 2.0**MAX_PRECISION)))
    weights: IntArray = np.rint(exact / step).astype(np.int64)
    weight_errors = (exact - weights * step) * half_maxima
    by_feature = (used.size, 2, -1)
    constants = square * np.square(start) + linear * start + weight_errors.reshape(by_feature).sum(axis=1)
    errors = (np.abs(weights * step / 2) + np.abs(weight_errors)).reshape(by_feature).sum(axis=1)
    base = graph.intercept + (square * np.square(start) + linear * start).sum(axis=0) + weight_errors.sum(axis=0)
    width = (upper - lower) / (levels - 1)
    return _Draft(lower, width, levels, weights, step, constants, base, errors)
