"""A network of squares in integers: inputs as levels, weights as multiples of one step a layer, and its circuit."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from cryptable_engine import Circuit, GroupKind, Input, InputGroup, Linear, Node, Square, Term
from cryptable_engine.circuit.bounds import bounds
from cryptable_engine.circuit.convolution import Convolution
from cryptable_protocol import AffineEncoder, Decoder, FeatureEncoder, UnusedFeature
from scipy.sparse import csr_array  # type: ignore[import-untyped]

from cryptable.graphs.graph import FloatArray, IntArray, ModelGraph
from cryptable.graphs.integer_squares import IntegerSquares
from cryptable.planner.networks.convolutions import dilated, shared_weights
from cryptable.planner.squares.square_layers import SquareLayers

_SLACK = 20
"""Bits: the ends of scores get 2^-20 of their range more, since machines round eigenvalues otherwise."""


@dataclass(frozen=True)
class Fineness:
    """Bits of inputs, of hidden weights, of the last layer's weights."""

    inputs: int
    hidden: int
    last: int

    def score_bits(self, depth: int) -> int:
        """About how many bits scores take: each bit in front of a square counts twice for each square after it."""
        weight = self.hidden - 1  # beside the sign
        bits = self.inputs + weight
        for _ in range(depth - 1):
            bits = 2 * bits + weight
        return 2 * bits + self.last - 1


@dataclass(frozen=True, eq=False)
class InputLevels:
    """Which features are read, and from where to where each goes."""

    used: IntArray
    lower: FloatArray
    upper: FloatArray

    @classmethod
    def of(cls, layers: SquareLayers, rows: FloatArray) -> InputLevels:
        """Those that have weights and vary on calibration data, within the ends seen there.

        Before a convolution, all of them, and within one range a channel, so that its weights stay the same everywhere.
        """
        lower, upper = rows.min(axis=0), rows.max(axis=0)
        if layers.grids is not None:
            channels, *extents = layers.grids[0]
            by_channel = (lower.reshape(channels, -1).min(axis=1), upper.reshape(channels, -1).max(axis=1))
            lower, upper = (np.repeat(ends, math.prod(extents)) for ends in by_channel)
            return cls(np.arange(lower.size), lower, upper)
        used = np.flatnonzero((np.abs(layers.layers[0].matrix).max(axis=0) > 0) & (upper > lower))
        return cls(used, lower, upper)

    def steps(self, bits: int) -> FloatArray:
        """Of each feature that is read."""
        found: FloatArray = (self.upper - self.lower)[self.used] / (2**bits - 1)
        return found

    def encode(self, rows: FloatArray, bits: int) -> IntArray:
        """Levels, as clients will encode them; shape (rows, used)."""
        levels = np.rint((rows[:, self.used] - self.lower[self.used]) / self.steps(bits))
        encoded: IntArray = np.clip(levels, 0, 2**bits - 1).astype(np.int64)
        return encoded

    def encoders(self, names: tuple[str, ...], bits: int) -> tuple[FeatureEncoder, ...]:
        """Of every feature."""
        found: list[FeatureEncoder] = [UnusedFeature(name) for name in names]
        for feature, step in zip(self.used.tolist(), self.steps(bits).tolist(), strict=True):
            found[feature] = AffineEncoder(names[feature], float(self.lower[feature]), step, 2**bits)
        return tuple(found)


def circuit_of(integers: IntegerSquares, maxima: IntArray, convolution: Convolution | None = None) -> Circuit:
    """With an offset that makes the lowest score 0, by sound bounds.

    Args:
        integers: of the network.
        maxima: the largest level of each of its inputs.
        convolution: its first layer, where that is one.
    """
    groups = tuple(InputGroup(GroupKind.RANGE, 1, maximum) for maximum in maxima.tolist())
    nodes: list[Node] = [Input(groups)]
    for weights, offset in zip(integers.weights[:-1], integers.offsets, strict=True):
        is_first = len(nodes) == 1
        if is_first and convolution is not None:
            nodes.append(convolution)
        else:
            nodes.append(Linear((Term.from_dense(len(nodes) - 1, weights.T),), offset))
        nodes.append(Square(len(nodes) - 1, len(offset)))
    term = Term.from_dense(len(nodes) - 1, integers.weights[-1].T)
    raw = Linear((term,), np.zeros(len(integers.base), np.int64))
    low, high = bounds(Circuit((*nodes, raw), len(nodes)))[-1]
    room = 1 + int((high - low).max() >> _SLACK)
    return Circuit((*nodes, Linear((term,), room - low)), len(nodes))


def first_convolution(integers: IntegerSquares) -> Convolution | None:
    """The first layer, where its weights are shared; None where they are not, or where that saves nothing."""
    if integers.grids is None:
        return None
    source, target = integers.grids
    found = shared_weights(csr_array(integers.weights[0]), source, target)
    if found is None:
        return None
    weights, dilations = dilated(found)
    return Convolution(
        source=0,
        shape=source,
        weights=weights.astype(np.int64),
        offset=integers.offsets[0],
        places=target[1:],
        groups=found.groups,
        strides=found.strides,
        dilations=dilations,
        before=found.before,
    )


def decoder_of(graph: ModelGraph, integers: IntegerSquares, circuit: Circuit) -> Decoder:
    """What undoes the offset of such a circuit's scores."""
    answer = circuit.nodes[circuit.output]
    if not isinstance(answer, Linear):
        raise AssertionError  # pragma: no cover
    back = tuple((-answer.offset).tolist())
    return Decoder(graph.link, back, integers.unit, tuple(integers.base.tolist()), graph.labels)


def round_layers(layers: SquareLayers, levels: InputLevels, fineness: Fineness) -> IntegerSquares:
    """Every weight as a multiple of a step of its layer, the largest being the largest integer of so many bits."""
    first = layers.layers[0]
    shared = layers.grids is not None
    steps = levels.steps(fineness.inputs)
    matrix = csr_array(csr_array(first.matrix).multiply(steps)) if shared else first.matrix[:, levels.used] * steps
    # Features that are not read are what they always were.
    offset = first.offset + first.matrix @ levels.lower
    found: list[IntArray | csr_array] = []
    offsets: list[IntArray] = []
    factor = 1.0
    for index, layer in enumerate(layers.layers):
        is_last = index == len(layers.layers) - 1
        if index:
            matrix, offset = layer.matrix * factor, layer.offset
        bits = fineness.last if is_last else fineness.hidden
        step = float(np.abs(matrix).max()) / (2 ** (bits - 1) - 1)
        found.append(_rounded(matrix, step) if shared and not index else np.rint(matrix / step).astype(np.int64))
        if is_last:
            return IntegerSquares(tuple(found), tuple(offsets), step, offset, layers.grids)
        offsets.append(np.rint(offset / step).astype(np.int64))
        factor = step**2
    raise AssertionError  # pragma: no cover


def _rounded(matrix: csr_array, step: float) -> csr_array:
    """In multiples of a step, without those that are 0."""
    whole = csr_array((np.rint(matrix.data / step).astype(np.int64), matrix.indices, matrix.indptr), matrix.shape)
    whole = whole.copy()
    whole.eliminate_zeros()
    return whole
