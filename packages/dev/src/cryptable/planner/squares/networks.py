"""Plans networks whose activation is x² for the scheme squares, for the registry."""

from __future__ import annotations

import itertools
import math

import numpy as np
from cryptable_engine import Circuit, CircuitError, verify
from cryptable_protocol.schemes.scheme import SQUARES

from cryptable.errors import ConstantModelError, UnsupportedModelError
from cryptable.graphs.graph import FloatArray, IntArray, ModelGraph
from cryptable.graphs.integer_squares import IntegerSquares
from cryptable.graphs.network import SegmentedNetwork
from cryptable.planner.networks.feature_functions import behind_functions
from cryptable.planner.planned_model import PlannedModel
from cryptable.planner.registry import Task, planner
from cryptable.planner.squares.integers import (
    Fineness,
    InputLevels,
    circuit_of,
    decoder_of,
    first_convolution,
    round_layers,
)
from cryptable.planner.squares.square_layers import SquareLayers, is_of_squares, square_layers
from cryptable.planner.tolerance import deviation

TARGET_RMS = 0.02
"""Of the deviation of scores: how far they may be off on calibration data, where no tolerance is asked for."""
MOST_RMS = 0.15
"""Likewise, where integers have no more bits, as behind two squares: then a warning tells of it."""
_INPUT_BITS, _HIDDEN_BITS, _LAST_BITS = range(1, 11), range(2, 13), range(3, 15)
_MOST_SCORE_BITS = 58
_MOST_ROWS = 500
_LEAST_LABELS = 0.995
"""Of calibration rows whose labels are the model's own: scores that spread widely may be near, and labels not."""
_FINEST_RMS = TARGET_RMS / 8
"""Enough whatever labels do: those of close calls."""


def allowed_error(graph: ModelGraph, scores: FloatArray) -> float:  # noqa: ARG001  (as all tolerances)
    """Root mean square, in the unit of the scores, where no tolerance is asked for."""
    return TARGET_RMS * deviation(scores)


class _NoRoomError(Exception):
    """A convolution's windows have no room in any ring."""


@planner(
    SegmentedNetwork,
    scheme=SQUARES,
    kind="a network of squares",
    cheaper="fewer hidden layers and input_bits= cost less: fewer and smaller moduli",
    closer="more input_bits= bring it nearer, and so does a lower tolerance=",
    tolerance=allowed_error,
    compared=is_of_squares,
)
def plan(graph: SegmentedNetwork, task: Task) -> PlannedModel:
    """The coarsest integers that are near enough: what is in front of a square counts twice."""
    behind = behind_functions(graph, task.rows, scheme=SQUARES)
    if behind is not None and behind.network.layers:
        return behind.joined(plan(behind.network, behind.task(task)))
    return plan_layers(square_layers(graph), graph, task)


def plan_layers(
    layers: SquareLayers,
    graph: ModelGraph,
    task: Task,
    *,
    seen: FloatArray | None = None,
    least: float = -math.inf,
) -> PlannedModel:
    """The same for layers in floats that compute a graph's scores.

    Args:
        layers: that do.
        graph: whose scores they are.
        task: how it is to be planned.
        seen: rows that encoders reach all of; by default the task's.
        least: scores below it need be no nearer than those that are it.
    """
    rows = task.rows if seen is None else seen
    is_classifier = graph.labels is not None
    levels = InputLevels.of(layers, rows)
    if layers.grids is not None and not (levels.upper > levels.lower).all():  # a channel that is constant has no step
        layers, levels = layers.dense(), InputLevels.of(layers.dense(), rows)
    if not levels.used.size or not all(abs(layer.matrix).max() for layer in layers.layers):
        raise ConstantModelError("the model gives the same scores for every input: there is nothing to compute")
    try:
        fineness, found, circuit = _coarsest(layers, levels, task, least, is_classifier=is_classifier)
    except _NoRoomError:
        layers, levels = layers.dense(), InputLevels.of(layers.dense(), rows)
        fineness, found, circuit = _coarsest(layers, levels, task, least, is_classifier=is_classifier)
    encoders = levels.encoders(graph.feature_names, fineness.inputs)
    return PlannedModel(circuit, encoders, decoder_of(graph, found, circuit), None, scheme="squares")


def _coarsest(
    layers: SquareLayers, levels: InputLevels, task: Task, least: float, *, is_classifier: bool
) -> tuple[Fineness, IntegerSquares, Circuit]:
    """By the bits of scores, from the fewest on."""
    rows, wanted = task.rows[:_MOST_ROWS], np.maximum(task.reference[:_MOST_ROWS], least)
    depth = len(layers.layers) - 1
    asked, tolerance = task.settings.input_bits, task.settings.tolerance
    inputs = _INPUT_BITS if asked is None else (asked,)
    candidates = sorted(
        (Fineness(*each) for each in itertools.product(inputs, _HIDDEN_BITS, _LAST_BITS) if each[1] <= each[2]),
        key=lambda each: (each.score_bits(depth), each.inputs),
    )
    spread, best = deviation(wanted) or 1.0, math.inf
    nearest: tuple[Fineness, IntegerSquares, Circuit] | None = None
    for fineness in candidates:
        if fineness.score_bits(depth) > _MOST_SCORE_BITS:
            break
        found = round_layers(layers, levels, fineness)
        difference = np.maximum(found.scores(levels.encode(rows, fineness.inputs)), least) - wanted
        rms = float(np.sqrt(np.square(difference).mean(axis=0).max())) / spread
        if rms >= best or not all(abs(weights).max() for weights in found.weights):
            continue
        found = found.without_idle()
        convolution = first_convolution(found)
        if layers.grids is not None and convolution is None:  # as coarse as this, no taps of it are left
            continue
        try:
            circuit = circuit_of(found, np.full(levels.used.size, 2**fineness.inputs - 1), convolution)
            verify(circuit)
        except CircuitError:  # integers of more bits than are computed with
            continue
        if convolution is not None and math.isinf(task.prices.circuit(circuit)):
            raise _NoRoomError
        best, nearest = rms, (fineness, found, circuit)
        keeps_labels = not is_classifier or np.mean(_places(wanted + difference) == _places(wanted)) >= _LEAST_LABELS
        if tolerance is None and rms <= (TARGET_RMS if keeps_labels else _FINEST_RMS):
            return nearest
        if tolerance is not None and float(np.abs(difference).max()) <= tolerance:
            return nearest
    if nearest is not None and tolerance is None and best <= MOST_RMS:
        return nearest
    raise UnsupportedModelError(
        f"scheme 'squares': with as many bits as integers have, scores are off by {best:.2g} of their deviation (root "
        "mean square); raise tolerance=, use fewer layers, or train with weights of few bits"
    )


def _places(scores: FloatArray) -> IntArray:
    """Of the labels that scores of shape (rows, outputs) have."""
    found: IntArray = scores.argmax(axis=1) if scores.shape[1] > 1 else (scores[:, 0] > 0).astype(np.int64)
    return found
