"""Nodes as protobuf, and from protobuf that a stranger may have written."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain

import numpy as np
from cryptable_protocol import MalformedMessageError
from cryptable_protocol.messages import circuit as pb

from cryptable_engine.circuit.convolution import MAX_AXES, Convolution
from cryptable_engine.circuit.nodes import (
    GroupKind,
    Input,
    InputGroup,
    IntArray,
    Linear,
    Lookup,
    Node,
    Product,
    Rotation,
    Square,
    Term,
)
from cryptable_engine.circuit.turning_tree import LEAF, TurningTree

_MOST_POSITIONS = 1 << 16
"""Of a table that is read at all; the verifier wants fewer."""


def node_to_message(node: Node) -> pb.Node:
    """As protobuf."""
    match node:
        case Input():
            groups = [
                pb.InputGroup(kind=group.kind.value, size=group.size, maximum=group.maximum) for group in node.groups
            ]
            return pb.Node(input=pb.Input(groups=groups))
        case Linear():
            terms = [
                pb.Term(
                    source=term.source,
                    rows=term.rows.tolist(),
                    columns=term.columns.tolist(),
                    weights=term.weights.tolist(),
                )
                for term in node.terms
            ]
            return pb.Node(linear=pb.Linear(terms=terms, offset=node.offset.tolist()))
        case Lookup():
            entries = node.tables.ravel().tolist()
            return pb.Node(
                lookup=pb.Lookup(
                    source=node.source,
                    width=node.width,
                    entries=entries,
                    table_of=node.table_of.tolist(),
                    dropped_bits=node.dropped_bits,
                    mirrors=[] if node.mirrors is None else node.mirrors.tolist(),
                )
            )
        case Product():
            return pb.Node(product=pb.Product(source=node.source, bits=node.bits.tolist()))
        case Rotation():
            return pb.Node(
                rotation=pb.Rotation(
                    bits=node.bits.tolist(),
                    exponents=node.exponents.ravel().tolist(),
                    positions=node.positions,
                    entries=node.tables.ravel().tolist(),
                    trees=[
                        pb.TurningTree(nodes=(tree.bits + 1).tolist(), exponents=tree.exponents.ravel().tolist())
                        for tree in node.trees
                    ],
                )
            )
        case Square():
            return pb.Node(square=pb.Square(source=node.source))
        case Convolution():
            return pb.Node(
                convolution=pb.Convolution(
                    source=node.source,
                    shape=node.shape,
                    groups=node.groups,
                    taps=node.taps,
                    places=node.places,
                    strides=node.strides,
                    dilations=node.dilations,
                    before=node.before,
                    weights=node.weights.ravel().tolist(),
                    offset=node.offset.tolist(),
                )
            )


def node_from_message(index: int, message: pb.Node, earlier: Sequence[Node]) -> Node:
    """From protobuf.

    Args:
        index: the node's, for messages.
        message: of the node.
        earlier: the nodes before it.

    Raises:
        MalformedMessageError: it is of no kind, or has lists whose lengths do not fit together.
    """
    match message.WhichOneof("kind"):
        case "input":
            return Input(tuple(_group_from_message(index, group) for group in message.input.groups))
        case "linear":
            terms = tuple(_term_from_message(index, term) for term in message.linear.terms)
            return Linear(terms, _integers(message.linear.offset))
        case "lookup":
            return _lookup_from_message(index, message.lookup)
        case "product":
            source = message.product.source
            if source >= len(earlier) or not message.product.bits:
                raise MalformedMessageError(
                    f"circuit: node {index}: a product of {len(message.product.bits)} bits with node {source}, "
                    "expected one bit or more and an earlier node"
                )
            return Product(source, _integers(message.product.bits), earlier[source].size)
        case "rotation":
            return _rotation_from_message(index, message.rotation)
        case "square":
            source = message.square.source
            if source >= len(earlier):
                raise MalformedMessageError(
                    f"circuit: node {index}: a square of node {source}, expected an earlier node"
                )
            return Square(source, earlier[source].size)
        case "convolution":
            return _convolution_from_message(index, message.convolution)
        case _:
            raise MalformedMessageError(f"circuit: node {index} is of no kind")


def _group_from_message(index: int, message: pb.InputGroup) -> InputGroup:
    try:
        return InputGroup(GroupKind(message.kind), message.size, message.maximum)
    except ValueError as error:
        raise MalformedMessageError(f"circuit: node {index}: input group of unknown kind {message.kind}") from error


def _term_from_message(index: int, message: pb.Term) -> Term:
    if not len(message.rows) == len(message.columns) == len(message.weights):
        raise MalformedMessageError(
            f"circuit: node {index}: a term has {len(message.rows)} rows, {len(message.columns)} columns, "
            f"{len(message.weights)} weights"
        )
    return Term(message.source, _integers(message.rows), _integers(message.columns), _integers(message.weights))


def _lookup_from_message(index: int, message: pb.Lookup) -> Lookup:
    entries = 1 << message.width if message.width <= 16 else 0
    if not entries or not message.entries or len(message.entries) % entries:
        raise MalformedMessageError(
            f"circuit: node {index}: {len(message.entries)} table entries of width {message.width}"
        )
    if max(chain(message.entries, message.mirrors)) >= 1 << 62:
        raise MalformedMessageError(f"circuit: node {index}: a table entry or mirror of 2^62 or more")
    return Lookup(
        message.source,
        _integers(message.entries).reshape(-1, entries),
        _integers(message.table_of),
        message.dropped_bits,
        _integers(message.mirrors) if message.mirrors else None,
    )


def _rotation_from_message(index: int, message: pb.Rotation) -> Rotation:
    bits, exponents, entries = len(message.bits), len(message.exponents), len(message.entries)
    if (not bits and not message.trees) or (exponents % bits if bits else exponents) or bool(bits) != bool(exponents):
        raise MalformedMessageError(
            f"circuit: node {index}: a rotation by {bits} bits with {exponents} exponents, expected one for each bit "
            "and neuron"
        )
    trees = [_integers(tree.nodes) - 1 for tree in message.trees]
    neurons = exponents // bits if bits else len(message.trees[0].exponents) // max(1, int((trees[0] == LEAF).sum()))
    positions = message.positions
    for number, (nodes, tree) in enumerate(zip(trees, message.trees, strict=True)):
        leaves = int((nodes == LEAF).sum())
        if not leaves or not neurons or len(tree.exponents) != leaves * neurons:
            raise MalformedMessageError(
                f"circuit: node {index}: tree {number} has {len(tree.exponents)} exponents, expected one for each of "
                f"{leaves} leaves and {neurons} tables"
            )
    if not 1 <= positions <= _MOST_POSITIONS or not entries or entries % (neurons * positions):
        raise MalformedMessageError(
            f"circuit: node {index}: {entries} entries of {neurons} tables of {positions} positions, expected one for "
            "each output"
        )
    return Rotation(
        _integers(message.bits),
        _integers(message.exponents).reshape(bits, neurons),
        _integers(message.entries).reshape(neurons, positions, -1),
        tuple(
            TurningTree(nodes, _integers(tree.exponents).reshape(-1, neurons))
            for nodes, tree in zip(trees, message.trees, strict=True)
        ),
    )


def _convolution_from_message(index: int, message: pb.Convolution) -> Convolution:
    axes = len(message.shape) - 1
    lists = (message.taps, message.places, message.strides, message.dilations, message.before)
    extents = (*message.shape, *message.taps, *message.places)
    if not 1 <= axes <= MAX_AXES or any(len(each) != axes for each in lists) or min(extents) < 1:
        raise MalformedMessageError(
            f"circuit: node {index}: a convolution of shape {list(message.shape)}, expected channels and "
            f"1 .. {MAX_AXES} axes, extents of 1 at least, and taps, places, strides, dilations, paddings of each axis"
        )
    channels, groups = message.shape[0], message.groups
    window = channels // groups * math.prod(message.taps) if groups and channels % groups == 0 else 0
    filters = len(message.weights) // window if window else 0
    if not filters or filters * window != len(message.weights):
        raise MalformedMessageError(
            f"circuit: node {index}: {len(message.weights)} weights of {channels} channels in {groups} groups, "
            "expected as many for each filter as a window has elements"
        )
    if len(message.offset) != filters * math.prod(message.places):
        raise MalformedMessageError(
            f"circuit: node {index}: {len(message.offset)} offsets, expected one for each filter and place"
        )
    return Convolution(
        message.source,
        tuple(message.shape),
        _integers(message.weights).reshape(filters, channels // groups, *message.taps),
        _integers(message.offset),
        tuple(message.places),
        groups,
        tuple(message.strides),
        tuple(message.dilations),
        tuple(message.before),
    )


def _integers(values: Sequence[int]) -> IntArray:
    return np.fromiter(values, np.int64, len(values))
