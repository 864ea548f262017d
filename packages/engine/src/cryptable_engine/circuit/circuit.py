"""The Circuit: a small graph of integer linear maps and table lookups, the definition of what a model computes.

Every value is a vector of integers. Nodes refer to earlier nodes by index; node 0 is the Input.

    Input    the encrypted vector that a client sends, in groups whose honest values depend on each other
    Linear   an integer affine map of earlier values: free under encryption
    Lookup   one table an element: one programmable bootstrapping (PBS) each, paid
    Product  a bit of the input times a block of a Linear: one external product each, paid; instead of Lookups

`verifier` says which circuits are well-formed, `bounds` what values they can take, `interpreter` what they compute.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt
from cryptable_protocol import MalformedMessageError, limits
from cryptable_protocol.messages import circuit as pb
from cryptable_protocol.wire.canonical import from_canonical_bytes, to_canonical_bytes

IntArray = npt.NDArray[np.int64]


class GroupKind(enum.Enum):
    """How the elements of an input group depend on each other."""

    THERMOMETER = pb.InputGroup.THERMOMETER
    """Bits that never increase: 1 1 1 0 0."""
    RANGE = pb.InputGroup.RANGE
    """Independent integers from 0 to `maximum`."""


@dataclass(frozen=True)
class InputGroup:
    """A run of `size` input elements, each at most `maximum`."""

    kind: GroupKind
    size: int
    maximum: int = 1


@dataclass(frozen=True)
class Input:
    """The encrypted vector that a client sends: the elements of its groups, in order."""

    groups: tuple[InputGroup, ...]

    @property
    def size(self) -> int:
        """Elements of the value."""
        return sum(group.size for group in self.groups)


@dataclass(frozen=True, eq=False)
class Term:
    """One source of a Linear: a sparse integer matrix of shape (source size, value size), by coordinates.

    `rows`, `columns` and `weights` have one entry for each non-zero, sorted by (row, column).
    """

    source: int
    rows: IntArray
    columns: IntArray
    weights: IntArray

    @classmethod
    def from_dense(cls, source: int, matrix: npt.ArrayLike) -> Term:
        """From a matrix of shape (source size, value size)."""
        dense = np.asarray(matrix, np.int64)
        rows, columns = np.nonzero(dense)
        return cls(source, rows.astype(np.int64), columns.astype(np.int64), dense[rows, columns])

    def to_dense(self, source_size: int, size: int) -> IntArray:
        """The matrix, shape (source size, value size)."""
        dense = np.zeros((source_size, size), np.int64)
        dense[self.rows, self.columns] = self.weights
        return dense


@dataclass(frozen=True, eq=False)
class Linear:
    """value = offset + the sum over terms of (source value) @ (term's matrix)."""

    terms: tuple[Term, ...]
    offset: IntArray

    @property
    def size(self) -> int:
        """Elements of the value."""
        return int(self.offset.shape[0])


@dataclass(frozen=True, eq=False)
class Lookup:
    """value[j] = tables[table_of[j], source[j]]; `tables` has shape (number of tables, 2^width).

    With `mirrors`, one even number a table, the position looked up is (source[j] + half) >> dropped_bits, which is the
    nearest, where half = 2^dropped_bits / 2. It wraps around: it is taken modulo 2^(width + 1), and a position p beyond
    the table reads mirror - tables[table_of[j], p - 2^width]. That is how a bootstrapping reads a torus, and so what it
    costs depends on the width alone. Under encryption such a lookup may take a neighbouring position, where its source
    lies within the noise of the border between them. Without mirrors no bit is dropped, and no source lies outside.
    """

    source: int
    tables: IntArray
    table_of: IntArray
    dropped_bits: int = 0
    mirrors: IntArray | None = None

    @property
    def width(self) -> int:
        """Bits of the looked-up value."""
        return int(self.tables.shape[1]).bit_length() - 1

    @property
    def size(self) -> int:
        """Elements of the value, one PBS each."""
        return int(self.table_of.shape[0])


@dataclass(frozen=True, eq=False)
class Product:
    """value[i * m + j] = input[bits[i]] * source[i * m + j], where m = source size / number of bits.

    A block of m elements is a vector with one element an output, which the scheme `levelled` multiplies at once.
    """

    source: int
    bits: IntArray
    size: int
    """Elements of the value: those of the source."""

    @property
    def block(self) -> int:
        """m: elements that each bit multiplies."""
        return self.size // len(self.bits)


Node = Input | Linear | Lookup | Product


@dataclass(frozen=True, eq=False)
class Circuit:
    """Nodes in topological order, and the index of the one whose value is returned (a Linear).

    `output_maximum`, where the compiler declares it, is the highest value of all output elements over honest inputs.
    `exact_output_bits`, where it is set, is how many of the outputs' upper bits decryption reads exactly (`readout`).
    """

    nodes: tuple[Node, ...]
    output: int
    output_maximum: int | None = None
    exact_output_bits: int | None = None

    @property
    def input(self) -> Input:
        """Node 0."""
        node = self.nodes[0]
        if not isinstance(node, Input):
            raise MalformedMessageError("circuit: node 0 is not an Input")
        return node

    @property
    def lookups(self) -> int:
        """Programmable bootstrappings that one evaluation costs."""
        return sum(node.size for node in self.nodes if isinstance(node, Lookup))

    @property
    def products(self) -> int:
        """External products that one evaluation costs."""
        return sum(len(node.bits) for node in self.nodes if isinstance(node, Product))

    @property
    def is_approximate(self) -> bool:
        """Whether lookups drop bits or wrap around, so that noise may lead them to a neighbouring position."""
        return any(isinstance(node, Lookup) and node.mirrors is not None for node in self.nodes)

    @property
    def rounds(self) -> bool:
        """The name that `is_approximate` had."""
        return self.is_approximate

    def to_bytes(self) -> bytes:
        """Canonical bytes of the Circuit message."""
        message = pb.Circuit(
            nodes=map(_node_to_message, self.nodes),
            output=self.output,
            output_maximum=self.output_maximum,
            exact_output_bits=self.exact_output_bits,
        )
        return to_canonical_bytes(message)

    @classmethod
    def from_bytes(cls, data: bytes) -> Circuit:
        """From canonical bytes. The result is not verified: see `verifier.verify`.

        Raises:
            MalformedMessageError: not canonical, a node of no kind, or lists whose lengths do not fit together.
        """
        message = from_canonical_bytes(pb.Circuit, data, limit=limits.MAX_CIRCUIT_BYTES, what="circuit")
        if not 1 <= len(message.nodes) <= limits.MAX_CIRCUIT_NODES:
            raise MalformedMessageError(
                f"circuit: {len(message.nodes)} nodes, expected 1 .. {limits.MAX_CIRCUIT_NODES}"
            )
        nodes: list[Node] = []
        for index, node in enumerate(message.nodes):
            nodes.append(_node_from_message(index, node, nodes))
        return cls(
            tuple(nodes),
            message.output,
            message.output_maximum if message.HasField("output_maximum") else None,
            message.exact_output_bits if message.HasField("exact_output_bits") else None,
        )


def _node_to_message(node: Node) -> pb.Node:
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


def _node_from_message(index: int, message: pb.Node, earlier: Sequence[Node]) -> Node:
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


def _integers(values: Sequence[int]) -> IntArray:
    return np.fromiter(values, np.int64, len(values))
