"""Sends the whole of a grid, also what the circuit does not read, so that a client sees no threshold of the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from cryptable_engine.circuit.circuit import Circuit, Input, InputGroup, Linear, Node, Product, Rotation
from cryptable_protocol import FeatureEncoder, ThermometerEncoder

from cryptable.graphs.graph import FloatArray, IntArray
from cryptable.planner.planned_model import PlannedModel


def disclose_whole_grid(planned: PlannedModel, grid: Mapping[int, FloatArray]) -> PlannedModel:
    """The same circuit on longer thermometers.

    Args:
        planned: whose thermometers' edges are numbers of the grid.
        grid: by feature; one whose encoder sends nothing stays silent.
    """
    features: list[FeatureEncoder] = []
    groups: list[InputGroup] = []
    positions: list[IntArray] = []
    """Where each element of the input goes."""
    remaining = iter(planned.circuit.input.groups)
    for index, encoder in enumerate(planned.features):
        if not encoder.size:
            features.append(encoder)
            continue
        group, start = next(remaining), sum(each.size for each in groups)
        if isinstance(encoder, ThermometerEncoder) and index in grid:
            edges = np.union1d(grid[index], encoder.edges)
            kept = np.searchsorted(edges, encoder.edges)
            extra = encoder.size - len(encoder.edges)  # the element of a missing value is the last
            features.append(replace(encoder, edges=tuple(edges.tolist())))
            groups.append(replace(group, size=edges.size + extra))
            positions.append(start + np.concatenate([kept, edges.size + np.arange(extra)]).astype(np.int64))
        else:
            features.append(encoder)
            groups.append(group)
            positions.append(start + np.arange(group.size, dtype=np.int64))
    moved = np.concatenate(positions)
    nodes: list[Node] = [Input(tuple(groups))]
    nodes += [_moved(node, moved) for node in planned.circuit.nodes[1:]]
    circuit = Circuit(tuple(nodes), planned.circuit.output, planned.circuit.output_maximum)
    return replace(planned, circuit=circuit, features=tuple(features))


def _moved(node: Node, moved: IntArray) -> Node:
    """Positions only grow, in their order, so entries stay sorted."""
    match node:
        case Linear():
            terms = (replace(term, rows=moved[term.rows]) if term.source == 0 else term for term in node.terms)
            return replace(node, terms=tuple(terms))
        case Product():
            return replace(node, bits=moved[node.bits])
        case Rotation():
            trees = tuple(
                replace(tree, bits=np.where(tree.bits < 0, tree.bits, moved[tree.bits])) for tree in node.trees
            )
            return replace(node, bits=moved[node.bits], trees=trees)
        case _:
            return node
