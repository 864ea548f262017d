"""The sums of layers as nodes of a circuit: convolutions where weights are shared, sparse matrices elsewhere."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from cryptable_engine.circuit.circuit import Convolution, Linear, Node, Term
from scipy.sparse import csc_array, csr_array  # type: ignore[import-untyped]

from cryptable.graphs.graph import IntArray
from cryptable.graphs.symbols import widened
from cryptable.planner.networks.convolutions import Segment, Shape, SharedWeights, dilated, shared_weights


@dataclass(eq=False)
class LayerSums:
    """Lays sums out behind nodes that are there already.

    Args:
        nodes: of the circuit so far; more are appended.
        place: by variable, its element in the node that holds it; below 0 for constants.
        node_of: by variable, the node that holds it.
        parts: which variables are a layer's.
    """

    nodes: list[Node]
    place: IntArray
    node_of: IntArray
    parts: tuple[Segment, ...]

    def linear(self, weights: csr_array, offset: IntArray) -> Linear:
        """Sums of the variables; constants have no place, and no weight either.

        Args:
            weights: shape (sums, variables), integers.
            offset: of each sum.
        """
        return Linear(self._terms(weights), offset.astype(np.int64))

    def layer(self, weights: csr_array, offset: IntArray, target: Shape | None) -> Linear | Convolution:
        """As `linear`, of a layer whose sums are channels of a grid, `target`, if they are."""
        convolutions: list[Convolution] = []
        rest = csr_array(widened(weights, self.place.size))
        rest.eliminate_zeros()
        for segment in self.parts if target is not None and math.prod(target) == offset.size else ():
            found = self._convolution(segment, rest, target)
            if found is not None:
                convolutions.append(found)
                kept = ~segment.part(rest)[1]
                before = np.concatenate([[0], np.cumsum(kept)])
                rest = csr_array((rest.data[kept], rest.indices[kept], before[rest.indptr]), shape=rest.shape)
        if not convolutions:
            return self.linear(weights, offset)
        if len(convolutions) == 1 and not rest.nnz:
            return replace(convolutions[0], offset=offset.astype(np.int64))
        each = np.arange(offset.size)
        terms = [Term(len(self.nodes) + number, each, each, np.ones_like(each)) for number in range(len(convolutions))]
        if rest.nnz:
            terms += self._terms(rest)
        self.nodes.extend(convolutions)
        return Linear(tuple(terms), offset.astype(np.int64))

    def _convolution(self, segment: Segment, weights: csr_array, target: Shape | None) -> Convolution | None:
        """With offsets of 0; what it reads may have to be put in its place first, which appends a node."""
        if segment.shape is None or target is None:
            return None
        part, _ = segment.part(weights)
        place = self.place[segment.first : segment.first + segment.size]
        there = (place >= 0).reshape(segment.shape[0], -1)
        live = np.flatnonzero(there.any(axis=1))
        shape = (live.size, *segment.shape[1:])
        if not live.size:
            return None
        if live.size < segment.shape[0]:  # whole channels are constants
            part = csr_array(part[:, np.flatnonzero(np.repeat(there.any(axis=1), there.shape[1]))])
        found = shared_weights(part, shape, target)
        if found is None:
            return None
        elements = np.arange(segment.size).reshape(segment.shape[0], -1)[live].ravel()
        rows = self.place[segment.first + elements]
        columns = np.flatnonzero(rows >= 0)
        node = int(self.node_of[segment.first + elements[columns[0]]])
        if columns.size < elements.size or self.nodes[node].size != elements.size:
            term = Term(node, rows[columns], columns, np.ones_like(columns))
            self.nodes.append(Linear((term,), np.zeros(elements.size, np.int64)))
            node = len(self.nodes) - 1
        return _node(found, node, shape, target)

    def _terms(self, weights: csr_array) -> tuple[Term, ...]:
        """By the node that holds the variables."""
        columns = csc_array(widened(weights, self.place.size))
        columns.eliminate_zeros()
        entries = columns.tocoo()
        kept = self.place[entries.coords[1]] >= 0
        targets, variables, values = entries.coords[0][kept], entries.coords[1][kept], entries.data[kept]
        terms = []
        for source in np.unique(self.node_of[variables]).tolist():
            part = self.node_of[variables] == source
            rows, targets_of = self.place[variables[part]], targets[part].astype(np.int64)
            order = np.lexsort((targets_of, rows))
            terms.append(Term(source, rows[order], targets_of[order], values[part][order].astype(np.int64)))
        if not terms:
            nothing = np.zeros(0, np.int64)
            terms = [Term(0, nothing, nothing, nothing)]
        return tuple(terms)


def _node(found: SharedWeights, source: int, shape: Shape, target: Shape) -> Convolution:
    weights, dilations = dilated(found)
    return Convolution(
        source,
        shape,
        np.ascontiguousarray(weights, np.int64),
        np.zeros(math.prod(target), np.int64),
        target[1:],
        found.groups,
        found.strides,
        dilations,
        found.before,
    )
