"""Plans networks that were trained with squares: as the integers that they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from cryptable_engine import CircuitError
from cryptable_protocol import FeatureEncoder, UnusedFeature
from cryptable_protocol.schemes.scheme import SQUARES

from cryptable.errors import ConstantModelError, UnsupportedModelError
from cryptable.graphs.graph import FloatArray
from cryptable.graphs.integer_squares import TrainedSquares
from cryptable.planner.grid_encoder import grid_encoder
from cryptable.planner.planned_model import PlannedModel
from cryptable.planner.registry import Task, planner
from cryptable.planner.squares.integers import circuit_of, decoder_of, first_convolution


def _nothing_is_rounded(graph: TrainedSquares, scores: FloatArray) -> float:  # noqa: ARG001  (as all tolerances)
    return 0.0


@planner(
    TrainedSquares,
    scheme=SQUARES,
    kind="a network that was trained with squares",
    cheaper="fewer input_bits=, weight_bits= and hidden layers cost less: fewer and smaller moduli",
    closer="it computes what was trained: please report this model",
    tolerance=_nothing_is_rounded,
)
def plan(graph: TrainedSquares, task: Task) -> PlannedModel:  # noqa: ARG001  (nothing to choose)
    """Laid out as it is, but for what never changes."""
    network = graph.network
    convolution = first_convolution(network)
    if convolution is None:
        network = replace(network, grids=None)
    network = network.without_idle()
    if not network.weights[0].any() or not all(len(weights) for weights in network.weights[:-1]):
        raise ConstantModelError("the model gives the same scores for every input: there is nothing to compute")
    grid = graph.grid
    # A convolution reads its grid whole.
    used = np.arange(grid.size) if network.grids is not None else np.flatnonzero(network.weights[0].any(axis=0))
    read = replace(network, weights=(network.weights[0][:, used], *network.weights[1:]))
    encoders: list[FeatureEncoder] = [UnusedFeature(name) for name in graph.feature_names]
    for feature in used.tolist():
        encoders[feature] = grid_encoder(graph.feature_names[feature], grid, feature, graph.edges.get(feature))
    try:
        circuit = circuit_of(read, grid.maximum[used], convolution)
    except CircuitError as error:
        raise UnsupportedModelError(
            f"scheme 'squares': {error}; train with fewer input_bits= and weight_bits=, or with fewer hidden layers"
        ) from error
    return PlannedModel(circuit, tuple(encoders), decoder_of(graph, read, circuit), None, scheme="squares")
