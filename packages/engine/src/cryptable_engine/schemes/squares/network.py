"""Network: a circuit of this scheme as the layers between whose sums values are squared, read from its nodes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cryptable_engine.circuit.circuit import Circuit, Input, IntArray, Linear, Square
from cryptable_engine.errors import CircuitError


@dataclass(frozen=True, eq=False)
class Layer:
    """sums = weights @ values + offset; weights of shape (sums, values)."""

    weights: IntArray
    offset: IntArray


@dataclass(frozen=True, eq=False)
class Network:
    """Layers, of all but the last of which the sums are squared."""

    layers: tuple[Layer, ...]

    @property
    def inputs(self) -> int:
        """Integers of a row."""
        return int(self.layers[0].weights.shape[1])

    @property
    def outputs(self) -> int:
        """Integers of an answer."""
        return int(self.layers[-1].weights.shape[0])

    @property
    def widths(self) -> tuple[int, ...]:
        """Of the squared layers, in slots: powers of two, at least 2."""
        return tuple(1 << max(1, (len(layer.offset) - 1).bit_length()) for layer in self.layers[:-1])

    def vanishes(self, modulus: int) -> int | None:
        """The first layer all of whose weights are multiples of a modulus: nothing could be encrypted there."""
        return next((index for index, layer in enumerate(self.layers) if not (layer.weights % modulus).any()), None)


MAX_CELLS = 1 << 23
"""Weights of one layer, zeros included."""


def read_network(circuit: Circuit) -> Network:
    """The layers of a circuit that the verifier accepts.

    Raises:
        CircuitError: it is not of the shape that this scheme evaluates; names the node, and says what to do.
    """
    if not circuit.squares:
        raise CircuitError("squares nothing, and the scheme squares is for what does; compile it with scheme='auto'")
    layers = []
    for index, node in enumerate(circuit.nodes):
        match node:
            case Input():
                continue
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
    return Network(tuple(layers))


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
