"""The Circuit: a small graph of integer linear maps and table lookups, the definition of what a model computes.

Every value is a vector of integers. Nodes refer to earlier nodes by index; node 0 is the Input.

    Input    the encrypted vector that a client sends, in groups whose honest values depend on each other
    Linear   an integer affine map of earlier values: free under encryption
    Convolution  a Linear of a grid, whose places share their weights: free too
    Lookup   one table an element: one programmable bootstrapping (PBS) each, paid
    Product  a bit of the input times a block of a Linear: one external product each, paid; instead of Lookups
    Square   the square of each element of a Linear: one multiplication of ciphertexts, whatever its size
    Rotation tables of vectors, each turned by bits of the input, and added up: one external product for each turn

`verifier` says which circuits are well-formed, `bounds` what values they can take, `interpreter` what they compute.
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptable_protocol import MalformedMessageError, limits
from cryptable_protocol.messages import circuit as pb
from cryptable_protocol.wire.canonical import from_canonical_bytes, to_canonical_bytes

from cryptable_engine.circuit.convolution import Convolution
from cryptable_engine.circuit.messages import node_from_message, node_to_message
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
from cryptable_engine.circuit.turning_tree import TurningTree

__all__ = [
    "Circuit",
    "Convolution",
    "GroupKind",
    "Input",
    "InputGroup",
    "IntArray",
    "Linear",
    "Lookup",
    "Node",
    "Product",
    "Rotation",
    "Square",
    "Term",
    "TurningTree",
]


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
        own = sum(len(node.bits) for node in self.nodes if isinstance(node, Product))
        return own + sum(node.products for node in self.nodes if isinstance(node, Rotation))

    @property
    def squares(self) -> int:
        """Elements that are squared in one evaluation."""
        return sum(node.size for node in self.nodes if isinstance(node, Square))

    @property
    def convolves(self) -> bool:
        """Whether there are convolutions."""
        return any(isinstance(node, Convolution) for node in self.nodes)

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
            nodes=map(node_to_message, self.nodes),
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
            nodes.append(node_from_message(index, node, nodes))
        return cls(
            tuple(nodes),
            message.output,
            message.output_maximum if message.HasField("output_maximum") else None,
            message.exact_output_bits if message.HasField("exact_output_bits") else None,
        )
