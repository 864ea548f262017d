"""Plans linear models: each feature is sent as one integer, and the circuit is one matrix of integer weights."""

from __future__ import annotations

import numpy as np
from cryptable_engine.circuit.circuit import Circuit, GroupKind, Input, InputGroup, Linear, Term
from cryptable_engine.circuit.readout import output_bits
from cryptable_protocol import AffineEncoder, Decoder, FeatureEncoder, UnusedFeature

from cryptable.errors import ConstantModelError, UnsupportedModelError
from cryptable.graphs.contributions import Contributions, contributions
from cryptable.graphs.graph import FloatArray, IntArray, LinearModel
from cryptable.planner.contributions import Part, tell_parts
from cryptable.planner.planned_model import PlannedModel
from cryptable.planner.registry import Task, planner

DEFAULT_INPUT_BITS = 20
"""Of a feature."""
_FRESH_BITS = 62
"""Of the torus, above which noise must stand in a fresh ciphertext, however long its key is."""
_MARGIN = 1.0
"""How far the encoders reach beyond the calibration data, on both sides, relative to its range."""


@planner(LinearModel, kind="a linear model", cheaper="fewer features cost less: it has no lookups", explains=True)
def plan(graph: LinearModel, task: Task) -> PlannedModel:
    """For the registry. Where hundreds of features add up, a tolerance that nobody asked for grows to what keys bear.

    Raises:
        UnsupportedModelError: no keys are exact enough for the tolerance that is asked for.
    """
    input_bits = task.settings.input_bits or DEFAULT_INPUT_BITS
    tolerance, asked_for = task.tolerance, task.settings.tolerance is not None
    while True:
        try:
            planned = plan_linear(
                graph,
                task.rows,
                tolerance=tolerance,
                input_bits=input_bits,
                told=contributions(graph) if task.settings.explain else None,
            )
        except ConstantModelError:
            raise
        except UnsupportedModelError:
            if asked_for or task.settings.input_bits is not None:
                raise
        else:
            if _can_be_read(planned.circuit, task.prices.noise_deviation):
                return planned
            if asked_for:
                raise UnsupportedModelError(
                    f"tolerance is {tolerance:.3g}: scores as exact as that, of so many features, are too fine for any "
                    "keys; raise tolerance=, or scale features whose ranges are wide for what they add"
                )
        tolerance *= 2


def _can_be_read(circuit: Circuit, noise_deviation: float) -> bool:
    """Whether the least noise that a fresh ciphertext may have leaves scores as they are."""
    (term,) = circuit.nodes[1].terms  # type: ignore[union-attr]
    squares = np.zeros(circuit.nodes[1].size)
    np.add.at(squares, term.columns, np.square(term.weights.astype(np.float64)))
    noise = np.log2(squares.max()) / 2 - _FRESH_BITS
    return bool(noise <= np.log2(noise_deviation) - 1 - output_bits(circuit))


def plan_linear(
    graph: LinearModel, rows: FloatArray, *, tolerance: float, input_bits: int, told: Contributions | None = None
) -> PlannedModel:
    """Plan a linear model.

    Half of the tolerance goes to rounding the features, in equal parts, half to rounding the weights.

    Args:
        graph: the model.
        rows: calibration data, which sets the range of each encoder; shape (rows, features).
        tolerance: largest error of a score, within the encoders' ranges.
        input_bits: most bits of a feature.
        told: of each feature, to be answered beside the scores.

    Raises:
        UnsupportedModelError: no coefficient differs from zero, or the tolerance needs more than `input_bits`.
    """
    used = np.flatnonzero(np.abs(graph.coefficients).max(axis=1) > 0)
    if not used.size:
        raise ConstantModelError("the model gives the same scores for every input: there is nothing to compute")
    coefficients = graph.coefficients[used]
    lower, upper = calibrated_ranges(rows[:, used], margin=_MARGIN)
    largest = np.abs(coefficients).max(axis=1)
    steps = tolerance / (used.size * largest)
    levels = np.maximum(np.ceil((upper - lower) / steps) + 1, 2)
    too_many = int(np.argmax(levels))
    if levels[too_many] > 1 << input_bits:
        raise UnsupportedModelError(
            f"feature {graph.feature_names[used[too_many]]!r}: for scores within {tolerance:.3g} it needs "
            f"{int(np.ceil(np.log2(levels[too_many])))} bits, input_bits is {input_bits}; "
            "raise tolerance= or input_bits="
        )
    steps = (upper - lower) / (levels - 1)
    # An error of half a unit in a weight is multiplied by at most half the levels, once the middle is made exact.
    step = 2 * tolerance / float((levels - 1).sum())
    weights: IntArray = np.rint(coefficients * steps[:, None] / step).astype(np.int64)
    exact = coefficients * steps[:, None]
    middle = (levels - 1)[:, None] / 2
    base = (
        graph.intercept + (coefficients * lower[:, None]).sum(axis=0) + ((exact - weights * step) * middle).sum(axis=0)
    )
    errors = np.abs(exact - weights * step) * middle + np.abs(weights) * step / 2
    error = errors.sum(axis=0)
    maxima = (levels - 1).astype(np.int64)
    offset: IntArray = -np.minimum(weights * maxima[:, None], 0).sum(axis=0)
    kept = [index for index in range(used.size) if weights[index].any()]
    if not kept:
        raise ConstantModelError(f"no score varies by more than the tolerance, {tolerance:.3g}; lower tolerance=")
    encoders = _encoders(graph.feature_names, used[kept], lower[kept], steps[kept], levels[kept])
    circuit = Circuit(
        (
            Input(tuple(InputGroup(GroupKind.RANGE, 1, int(maxima[index])) for index in kept)),
            Linear((Term.from_dense(0, weights[kept]),), offset),
        ),
        1,
    )
    decoder = Decoder(graph.link, tuple((-offset).tolist()), step, tuple(base.tolist()), graph.labels)
    planned = PlannedModel(circuit, encoders, decoder, float(error.max()))
    if told is None:
        return planned
    constants = coefficients * lower[:, None] + (exact - weights * step) * middle
    parts = [
        Part(graph.feature_names[feature], weights[[index]] if index in kept else weights[:0], constant, of_feature)
        for index, (feature, constant, of_feature) in enumerate(zip(used.tolist(), constants, errors, strict=True))
    ]
    return tell_parts(planned, parts, told)


def calibrated_ranges(rows: FloatArray, *, margin: float) -> tuple[FloatArray, FloatArray]:
    """Lower and upper end of each column, `margin` of its range beyond the rows on both sides."""
    low, high = rows.min(axis=0), rows.max(axis=0)
    # A feature that is constant in the calibration data may yet vary: by its own size.
    width = np.where(high > low, high - low, np.maximum(np.abs(low), 1.0))
    return low - margin * width, high + margin * width


def _encoders(
    names: tuple[str, ...], used: IntArray, lower: FloatArray, steps: FloatArray, levels: FloatArray
) -> tuple[FeatureEncoder, ...]:
    encoders: list[FeatureEncoder] = [UnusedFeature(name) for name in names]
    for index, feature in enumerate(used.tolist()):
        encoders[feature] = AffineEncoder(names[feature], float(lower[index]), float(steps[index]), int(levels[index]))
    return tuple(encoders)
