"""From an IntegerNetwork to a Circuit, and to what the client needs to feed it and to read it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from cryptable_engine.circuit.bounds import bounds
from cryptable_engine.circuit.circuit import Circuit, Convolution, GroupKind, Input, InputGroup, Linear, Node, Term
from cryptable_protocol import Decoder, FeatureEncoder, Labels, Link, UnusedFeature
from scipy.sparse import csr_array  # type: ignore[import-untyped]

from cryptable.errors import ConstantModelError
from cryptable.graphs.integers import IntegerNetwork
from cryptable.graphs.symbols import live_channels
from cryptable.planner.grid_encoder import grid_encoder
from cryptable.planner.networks.bitwise_rounding import exactly_rounded
from cryptable.planner.networks.convolutions import segments
from cryptable.planner.networks.layer_sums import LayerSums
from cryptable.planner.planned_model import PlannedModel
from cryptable.planner.settings import Rounding


def lower(
    network: IntegerNetwork,
    *,
    feature_names: tuple[str, ...],
    link: Link,
    labels: Labels | None,
    rounding: Rounding = "approximate",
) -> PlannedModel:
    """Lay an integer network out as nodes; features that nothing reads are not sent."""
    grid = network.grid
    used = _used(network)
    sent = np.flatnonzero(used[: network.inputs])
    if not sent.size:
        raise ConstantModelError("the network gives the same scores for every input: there is nothing to compute")
    place = np.full(grid.size, -1, np.int64)
    place[sent] = np.arange(sent.size)
    node_of = np.zeros(grid.size, np.int64)
    nodes: list[Node] = [Input(tuple(InputGroup(GroupKind.RANGE, 1, int(grid.maximum[each])) for each in sent))]
    names: list[str] = []
    parts = segments(network.inputs, network.shape, [(layer.outputs, layer.shape) for layer in network.layers])
    sums = LayerSums(nodes, place, node_of, parts)
    first = network.inputs
    for layer in network.layers:
        if not used[first + layer.elements].any():  # constants, or values whose weights were all rounded to 0
            first += layer.outputs
            continue
        summed = sums.layer(layer.weights, layer.offset, live_channels(layer.shape, layer.elements))
        if rounding == "exact" and layer.dropped_bits:
            names += [f"{layer.name}, bit {bit}" for bit in range(layer.dropped_bits)]
            exactly_rounded(nodes, _as_linear(nodes, summed), layer.lookup(0))
        else:
            nodes.append(summed)
            nodes.append(layer.lookup(len(nodes) - 1))
        names.append(layer.name)
        elements = first + layer.elements
        place[elements], node_of[elements] = np.arange(layer.size), len(nodes) - 1
        first += layer.outputs
    scores = sums.linear(network.weights, np.zeros(network.base.size, np.int64))
    # Sums that wrap around can make values that the grid does not have, so bounds say how low scores can be.
    offset = -bounds(Circuit((*nodes, scores), len(nodes)))[-1].low
    nodes.append(replace(scores, offset=offset))
    encoders: list[FeatureEncoder] = [UnusedFeature(name) for name in feature_names]
    for each in sent.tolist():
        encoders[each] = grid_encoder(feature_names[each], network.grid, each, network.edges.get(each))
    decoder = Decoder(link, tuple((-offset).tolist()), network.step, tuple(network.base.tolist()), labels)
    return PlannedModel(Circuit(tuple(nodes), len(nodes) - 1), tuple(encoders), decoder, None, layer_names=tuple(names))


def _used(network: IntegerNetwork) -> npt.NDArray[np.bool_]:
    """Which variables the scores depend on."""
    used = np.zeros(network.grid.size, np.bool_)

    def use(weights: csr_array) -> None:
        used[weights.indices[weights.data != 0]] = True

    use(network.weights)
    end = network.grid.size
    for layer in reversed(network.layers):
        end -= layer.outputs
        if used[end + layer.elements].any():
            use(layer.weights)
    used &= network.grid.maximum > 0
    return used


def _as_linear(nodes: list[Node], summed: Linear | Convolution) -> Linear:
    """What can be multiplied."""
    if isinstance(summed, Linear):
        return summed
    nodes.append(summed)
    each = np.arange(summed.size)
    return Linear((Term(len(nodes) - 1, each, each, np.ones_like(each)),), np.zeros(summed.size, np.int64))
