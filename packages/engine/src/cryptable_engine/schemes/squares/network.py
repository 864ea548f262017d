"""Network: a circuit of this scheme as the layers between whose sums values are squared, read from its nodes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from cryptable_protocol.schemes.squares.windows import WindowAxis, Windows

from cryptable_engine.circuit.circuit import Circuit, Input, IntArray, Linear, Square
from cryptable_engine.circuit.convolution import Convolution
from cryptable_engine.errors import CircuitError
from cryptable_engine.schemes.squares.arrangement import NOTHING, Arrangement


@dataclass(frozen=True, eq=False)
class Layer:
    """sums = weights @ values + offset; weights of shape (sums, values), those of a convolution (filters, taps)."""

    weights: IntArray
    offset: IntArray


@dataclass(frozen=True, eq=False)
class Network:
    """Layers, of all but the last of which the sums are squared; the first may be a convolution."""

    inputs: int
    """Integers of a row."""
    layers: tuple[Layer, ...]
    windows: Windows | None = None
    """Of the first layer, whose element number f · places + p is filter f's at place p."""

    @property
    def outputs(self) -> int:
        """Integers of an answer."""
        return int(self.layers[-1].weights.shape[0])

    @cached_property
    def arrangements(self) -> tuple[Arrangement, ...]:
        """Of the values of all layers but the last."""
        found = [Arrangement.in_order(len(layer.offset)) for layer in self.layers[:-1]]
        if self.windows is not None:
            filters, places = len(self.layers[0].weights), self.windows.places
            # The last layer reads its values row by row of slots alike.
            found[0] = _by_filters(filters, places, rows=1 if len(found) == 1 or filters == 1 else 2)
        return tuple(found)

    @property
    def widths(self) -> tuple[int, ...]:
        """Of the squared layers, in slots: powers of two."""
        return tuple(arrangement.width for arrangement in self.arrangements)

    @property
    def block(self) -> int:
        """Slots for the places of a convolution's windows."""
        return 1 << (self.windows.places - 1).bit_length() if self.windows is not None else 1

    def vanishes(self, modulus: int) -> int | None:
        """The first layer all of whose weights are multiples of a modulus: nothing could be encrypted there."""
        return next((index for index, layer in enumerate(self.layers) if not (layer.weights % modulus).any()), None)


def _by_filters(filters: int, places: int, *, rows: int) -> Arrangement:
    """A block of slots for each filter, half of the filters in each row of slots where there are two."""
    block, each = 1 << (places - 1).bit_length(), 1 << (-(-filters // rows) - 1).bit_length()
    if block * each == 1:  # at least two slots, as everywhere
        each = 2
    elements = np.full((rows * each, block), NOTHING)
    elements[:filters, :places] = np.arange(filters * places).reshape(filters, places)
    return Arrangement(elements.reshape(rows, -1))


MAX_CELLS = 1 << 23
"""Weights of one layer, zeros included."""


def read_network(circuit: Circuit) -> Network:
    """The layers of a circuit that the verifier accepts.

    Raises:
        CircuitError: it is not of the shape that this scheme evaluates; names the node, and says what to do.
    """
    if not circuit.squares:
        raise CircuitError("squares nothing, and the scheme squares is for what does; compile it with scheme='auto'")
    layers, windows = [], None
    for index, node in enumerate(circuit.nodes):
        match node:
            case Input():
                continue
            case Convolution() if index == 1:
                layers.append(Layer(_kernel(node), node.offset))
                windows = windows_of(node)
            case Convolution():
                raise CircuitError(
                    "the scheme squares takes a Convolution of the Input alone; write later ones as a Linear",
                    node=index,
                )
            case Linear() if index % 2:
                layers.append(_layer(index, node, circuit))
            case Square() if not index % 2 and node.source == index - 1:
                continue
            case _:
                raise CircuitError(
                    "the scheme squares takes a Linear, then by turns a Square and a Linear of what stands before it; "
                    "add matrices up, and square nothing twice in a row",
                    node=index,
                )
    if circuit.output != len(circuit.nodes) - 1:
        raise CircuitError("the answer is not its last node; put it last", node=circuit.output)
    return Network(circuit.input.size, tuple(layers), windows)


def _layer(index: int, node: Linear, circuit: Circuit) -> Layer:
    (term, *others) = node.terms
    if others or term.source != index - 1:
        raise CircuitError(
            "reads another node than the one before it; the scheme squares evaluates chains. A linear part l of a "
            "score is that of two squares: ((l + 1)² − (l − 1)²) / 4",
            node=index,
        )
    if not term.rows.size:
        raise CircuitError("all of its weights are zero: nothing is left to encrypt", node=index)
    source = circuit.nodes[term.source].size
    if source * node.size > MAX_CELLS:
        raise CircuitError(f"{source} times {node.size} weights, at most {MAX_CELLS} are evaluated", node=index)
    return Layer(np.ascontiguousarray(term.to_dense(source, node.size).T), node.offset)


def windows_of(node: Convolution) -> Windows:
    """Of all channels: weights are zero where a filter's group does not read them."""
    axes = zip(node.shape[1:], node.taps, node.places, node.strides, node.dilations, node.before, strict=True)
    return Windows(node.shape[0], tuple(WindowAxis(*axis) for axis in axes))


def _kernel(node: Convolution) -> IntArray:
    """Shape (filters, taps of all channels)."""
    if not node.weights.any():
        raise CircuitError("all of its weights are zero: nothing is left to encrypt", node=1)
    if node.groups == 1:
        return node.weights.reshape(node.filters, -1)
    depth, each = node.weights.shape[1], node.filters // node.groups
    whole = np.zeros((node.filters, node.shape[0], *node.taps), np.int64)
    for group in range(node.groups):
        own = slice(group * each, (group + 1) * each)
        whole[own, group * depth : (group + 1) * depth] = node.weights[own]
    return whole.reshape(node.filters, -1)
