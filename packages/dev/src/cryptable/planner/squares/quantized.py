"""Plans networks of squares that were trained with quantizers: as the integers of their scales."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from cryptable_protocol.schemes.scheme import SQUARES
from scipy.sparse import csr_array  # type: ignore[import-untyped]

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.graph import FloatArray, IntArray
from cryptable.graphs.integer_squares import IntegerSquares, TrainedSquares
from cryptable.graphs.integers import Grid
from cryptable.graphs.network import QuantizedNetwork
from cryptable.planner.networks.trained_quantizers import without_input_quantizers
from cryptable.planner.networks.units import unit_of
from cryptable.planner.planned_model import PlannedModel
from cryptable.planner.registry import Task, planner
from cryptable.planner.squares.square_layers import SquareLayers, is_of_squares, square_layers
from cryptable.planner.squares.trained import plan as plan_trained

_WHOLE = 0.02
"""Of a unit: how far single precision leaves a bias of many of them from a whole number."""


def _nothing_is_rounded(graph: QuantizedNetwork, scores: FloatArray) -> float:  # noqa: ARG001  (as all tolerances)
    return 0.0


def _squares_behind_quantizers(network: QuantizedNetwork) -> bool:
    """Whether all layers are squares but those that round features."""
    features = len(network.feature_names)
    behind = tuple(layer for layer in network.layers if (layer.matrix.indices >= features).any())
    return bool(behind) and is_of_squares(replace(network, layers=behind))


@planner(
    QuantizedNetwork,
    scheme=SQUARES,
    kind="a network of squares that was trained with quantizers",
    cheaper="quantizers of fewer bits and fewer hidden layers cost less: fewer and smaller moduli",
    closer="it computes the integers of its quantizers: please report this model",
    tolerance=_nothing_is_rounded,
    compared=_squares_behind_quantizers,
)
def plan(graph: QuantizedNetwork, task: Task) -> PlannedModel:
    """The client takes the first quantizer over; what follows are whole multiples of its scales."""
    encoded = without_input_quantizers(graph, task.rows)
    layers = square_layers(encoded.network)
    names = [layer.name for layer in encoded.network.layers]
    integers = exact_integers(layers, encoded.grid, names)
    trained = TrainedSquares(integers, encoded.grid, graph.link, graph.labels, graph.feature_names, encoded.edges)
    return plan_trained(trained, task)


def exact_integers(layers: SquareLayers, grid: Grid, names: list[str]) -> IntegerSquares:
    """All weights and offsets as whole multiples of a unit of each layer, of rows that are levels of `grid`.

    Args:
        layers: in floats, of the numbers that the levels stand for.
        grid: of the inputs.
        names: of the layers that are squared, for messages.

    Raises:
        UnsupportedModelError: some have no unit; names the layer, and says what to do.
    """
    weights: list[IntArray] = []
    offsets: list[IntArray] = []
    steps, zeros = np.where(grid.maximum > 0, grid.step, 0.0), grid.zero
    factor = 1.0
    for index, layer in enumerate(layers.layers):
        matrix = csr_array(layer.matrix).toarray()
        offset = layer.offset + (matrix @ zeros if index == 0 else 0.0)
        matrix = matrix * steps if index == 0 else matrix * factor
        is_last = index == len(layers.layers) - 1
        name = "the last" if is_last else repr(names[index])
        unit = unit_of(matrix)
        if unit is None:
            raise UnsupportedModelError(
                f"scheme 'squares': layer {name} has weights of no common step: use one scale for all channels of each "
                "QuantLinear or QuantConv2d (scaling_per_output_channel=False), and no BatchNorm between them"
            )
        weights.append(np.rint(matrix / unit).astype(np.int64))
        if is_last:
            return IntegerSquares(tuple(weights), tuple(offsets), unit, offset, layers.grids)
        whole = offset / unit
        if (np.abs(whole - np.rint(whole)) > _WHOLE).any():
            raise UnsupportedModelError(
                f"scheme 'squares': biases of layer {name} are no multiples of the step of its sums: quantize them "
                "(bias_quant=Int32Bias), or leave them out (bias=False)"
            )
        offsets.append(np.rint(whole).astype(np.int64))
        factor = unit**2
    raise AssertionError  # pragma: no cover
