"""Plans networks of one hidden layer that were trained as integers for the scheme levelled, for the registry."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from cryptable_engine.circuit.bounds import bounds
from cryptable_protocol.schemes.levelled.keyset import RING_SIZE
from cryptable_protocol.schemes.scheme import LEVELLED

from cryptable.cost.levelled import turning_price
from cryptable.errors import UnsupportedModelError
from cryptable.graphs.graph import FloatArray
from cryptable.graphs.symbols import widened
from cryptable.graphs.trained_integers import TrainedIntegers
from cryptable.planner.levelled.one_layer.hidden_layer import HiddenLayer
from cryptable.planner.levelled.one_layer.input_digits import input_digits
from cryptable.planner.levelled.one_layer.moduli import modulus
from cryptable.planner.levelled.one_layer.networks import (
    MOST_FEATURES,
    MOST_WEIGHTS,
    allowed_error,
    most_price,
    plan_layer,
    planned_of,
)
from cryptable.planner.levelled.one_layer.staircases import Staircase, tables_of_staircase
from cryptable.planner.levelled.one_layer.turned_network import turned_network
from cryptable.planner.planned_model import PlannedModel
from cryptable.planner.registry import Task, planner


def _is_small(graph: TrainedIntegers) -> bool:
    """As networks that are compared: planning takes seconds, and products may cost less than lookups do."""
    network = graph.network
    if len(network.layers) != 1 or network.inputs > MOST_FEATURES:
        return False
    return int(network.layers[0].weights.nnz) <= MOST_WEIGHTS


@planner(
    TrainedIntegers,
    scheme=LEVELLED,
    kind="a network of cryptable.neural",
    cheaper="fewer neurons, fewer input_bits= of the estimator and fewer max_active_weights= cost less in proportion",
    closer="scheme='bootstrapped' computes the very integers that were trained",
    tolerance=allowed_error,
    compared=_is_small,
)
def plan_trained(graph: TrainedIntegers, task: Task) -> PlannedModel:
    """Tables that the digits of the inputs turn, which are the integers that the network was trained on."""
    staircase, network = staircase_of(graph), graph.network
    grid = network.input_grid
    if task.settings.most_seconds is not None:  # other schemes compute the very integers that were trained
        return _as_trained(staircase, graph, task)
    task = replace(task, rows=grid.numbers(grid.encode_by(network.edges, task.rows)))
    return replace(plan_layer(staircase.layer, graph, task, staircase=staircase), ranges="trained")


def _as_trained(staircase: Staircase, graph: TrainedIntegers, task: Task) -> PlannedModel:
    """With a position for each sum, and scores in the unit that they were trained in: nothing is rounded.

    Raises:
        UnsupportedModelError: tables have no room for that, it takes more CPU than another scheme, or encoders compare
            with edges.
    """
    grid, layer = staircase.grid, staircase.layer
    if graph.network.edges:
        raise UnsupportedModelError(
            "scheme 'levelled': digits of inputs do not tell where a scaler's rounding takes numbers amid two levels"
        )
    if staircase.half_turn * layer.outputs > RING_SIZE:
        raise UnsupportedModelError(f"scheme 'levelled': tables have no room for {layer.outputs} scores as trained")
    ends = np.stack([grid.zero, grid.zero + grid.step * grid.maximum])
    digits = input_digits(layer, graph.feature_names, ends, 1, grid=grid)
    exponents = np.rint(digits.sums).astype(np.int64)
    tables = tables_of_staircase(staircase, staircase.half_turn)
    none, some = np.zeros((digits.bits, digits.bits)), np.zeros((1, digits.bits))
    network = turned_network(layer, digits, tables, exponents, some, none)
    products = network.products
    if turning_price(products, network.turning, digits.bits) > most_price(task):
        raise UnsupportedModelError("scheme 'levelled': what was trained takes more CPU than another scheme does")
    circuit, unit = network.circuit(graph.network.step), graph.network.step
    if int(bounds(circuit)[-1].high.max()) >= modulus(math.inf, network, products, task.prices.p_error):
        raise UnsupportedModelError(
            "scheme 'levelled': slots or noise leave no room for scores in the unit of the training"
        )
    return planned_of(circuit, digits.encoders, unit, network.constant, graph, "trained")


def staircase_of(graph: TrainedIntegers) -> Staircase:
    """The layer in floats, of rows whose numbers are those of the grid.

    Raises:
        UnsupportedModelError: it has another number of layers, or inputs of levels that no whole number of bits has.
    """
    network = graph.network
    if len(network.layers) != 1:
        raise UnsupportedModelError(
            f"scheme 'levelled' evaluates networks of one layer of activations, this one has {len(network.layers)}: a "
            "second layer reads sums, which have no bits; use scheme='bootstrapped', or hidden_layer_sizes= of one"
        )
    (layer,), grid, inputs = network.layers, network.input_grid, network.inputs
    if ((grid.maximum + 1) & grid.maximum).any():
        raise UnsupportedModelError(
            f"scheme 'levelled' takes inputs of 2^bits levels, this network has some of {int(grid.maximum.max()) + 1}; "
            "use scheme='bootstrapped'"
        )
    first = widened(layer.weights, inputs).toarray().T / grid.step[:, None]
    last = widened(network.weights, inputs + layer.size).toarray().T * network.step
    skips = last[:inputs] / grid.step[:, None]

    def function(sums: FloatArray) -> FloatArray:
        return layer.values(np.rint(sums).astype(np.int64)).astype(np.float64)

    found = HiddenLayer(
        slopes=first,
        curvatures=np.zeros(inputs),
        offset=layer.offset - grid.zero @ first,
        function=function,
        skips=skips,
        weights=last[inputs:],
        base=network.base - grid.zero @ skips,
    )
    return Staircase(found, grid, 1 << (layer.width + layer.dropped_bits), float(layer.mirrors[0]) / 2)
