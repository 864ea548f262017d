"""Which bit width and which scale every value of a circuit is computed with.

Under TFHE, values that meet in one sum need one encoding. So the Linear nodes and what they read fall into *regions*,
each of one width; a Lookup leads from one region to another. A value that a narrow Lookup reads stands in the lower
bits of its region: it is scaled up to the region's top bits, then reinterpreted as the Lookup's width. A Lookup that
drops bits is reinterpreted just so: the bits below its width are then no more than noise to it.

Arithmetic in a region of width w is modulo 2^(w + 1), so only what is read from it needs to fit, not what it is the sum
of: table entries are taken modulo 2^(w + 1) too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from cryptable_engine.circuit.bounds import Bounds, highest_output
from cryptable_engine.circuit.circuit import Circuit, Input, IntArray, Linear, Lookup
from cryptable_engine.circuit.convolution import Convolution, convolved


class Reading(NamedTuple):
    """How a value is read from its region: it has `bits` bits, of which the upper `width` are kept."""

    bits: int
    width: int


@dataclass(frozen=True)
class Layout:
    """Widths in bits, one entry a node.

    `widths[i]` is that of node i's region. `readings[i]` has, in ascending order, how Lookups and the output read node
    i; 2^(widths[i] - reading.bits) is the scale.
    """

    widths: tuple[int, ...]
    readings: tuple[tuple[Reading, ...], ...]
    output: Reading


def lay_out(circuit: Circuit, bounds: tuple[Bounds, ...], *, spare_bits: int = 0) -> Layout:
    """Choose the narrowest regions.

    Args:
        circuit: verified.
        bounds: what the verifier found.
        spare_bits: by how many bits the output is wider than its values need, which asks for less noise.
    """
    regions = regions_of(circuit)
    readings: list[set[Reading]] = [set() for _ in circuit.nodes]
    needs = [0] * len(circuit.nodes)
    for index, node in enumerate(circuit.nodes):
        if isinstance(node, Lookup):
            readings[node.source].add(reading_of(node))
        elif isinstance(node, Input):
            needs[index] = int(bounds[index].high.max()).bit_length()
    output_bits = max(1, highest_output(circuit, bounds).bit_length()) + spare_bits
    output = Reading(output_bits, circuit.exact_output_bits or output_bits)
    readings[circuit.output].add(output)
    width_of: dict[int, int] = {}
    for index, region in enumerate(regions):
        width_of[region] = max(width_of.get(region, 1), needs[index], *(reading.bits for reading in readings[index]), 1)
    widths = tuple(width_of[region] for region in regions)
    return Layout(widths, tuple(tuple(sorted(reading)) for reading in readings), output)


def reading_of(node: Lookup) -> Reading:
    """How a Lookup reads its source."""
    return Reading(node.width + node.dropped_bits, node.width)


def around_centres(node: Lookup) -> IntArray:
    """The tables' entries as they are evaluated.

    Half a turn of the torus negates what a bootstrapping reads: with c half a table's mirror, c + (entry - c) becomes
    c - (entry - c). So c is left out of the entries, and added to what they are summed to.
    """
    return node.tables if node.mirrors is None else node.tables - (node.mirrors // 2)[:, None]


def offset_with_centres(circuit: Circuit, node: Linear | Convolution) -> IntArray:
    """A sum's offset and what `around_centres` has left out of its sources, modulo 2^64, as it is on the torus."""
    if isinstance(node, Convolution):
        centres = _centres(circuit, node.source)
        return node.offset if centres is None else node.offset + convolved(node, centres[:, None])[:, 0]
    offset = node.offset.copy()
    for term in node.terms:
        centres = _centres(circuit, term.source)
        if centres is not None:
            np.add.at(offset, term.columns, term.weights * centres[term.rows])
    return offset


def _centres(circuit: Circuit, source: int) -> IntArray | None:
    node = circuit.nodes[source]
    return (node.mirrors // 2)[node.table_of] if isinstance(node, Lookup) and node.mirrors is not None else None


def regions_of(circuit: Circuit) -> list[int]:
    """Of each node, a node that stands for its region: Lookups are in the region that they lead to."""
    regions = DisjointSets(len(circuit.nodes))
    for index, node in enumerate(circuit.nodes):
        match node:
            case Linear():
                for term in node.terms:
                    regions.union(term.source, index)
            case Convolution():
                regions.union(node.source, index)
    return [regions.find(index) for index in range(len(circuit.nodes))]


class DisjointSets:
    """Of numbers from 0 on, each a set of its own at first."""

    def __init__(self, count: int) -> None:
        self._parent = list(range(count))

    def find(self, number: int) -> int:
        """The number that stands for its set."""
        while self._parent[number] != number:
            self._parent[number] = self._parent[self._parent[number]]
            number = self._parent[number]
        return number

    def union(self, one: int, other: int) -> None:
        """Make one set of two."""
        self._parent[self.find(one)] = self.find(other)
