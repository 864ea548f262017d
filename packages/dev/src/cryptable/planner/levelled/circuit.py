"""From a plan of products to a circuit, and to what the client needs to feed it and to read it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from cryptable_engine.circuit.circuit import Circuit, GroupKind, Input, InputGroup, Linear, Node, Product, Term
from cryptable_protocol import limits

from cryptable.errors import ConstantModelError, UnsupportedModelError
from cryptable.planner.levelled.oblivious import Tables
from cryptable.planner.levelled.products import Form
from cryptable.planner.levelled.search import FoundPlan
from cryptable.planner.output_maximum import with_output_maximum
from cryptable.planner.thresholds.bits import Bits


@dataclass(frozen=True, eq=False)
class LaidOut:
    """A circuit, and the edges of each feature that its input has bits of, increasing."""

    circuit: Circuit
    edges: tuple[tuple[float, ...], ...]


def lay_out(plan: FoundPlan, bits: Bits, highest_output: int, tables: Tables | None = None) -> LaidOut:
    """The circuit of a plan: for each depth of products, a Linear with their forms and a Product; a Linear of scores.

    Tables are a Rotation before it, which the scores add.

    Args:
        plan: its scores are never negative.
        bits: of which the circuit's input has those that the plan reads.
        highest_output: of any score.
        tables: of trees that are no part of the plan.

    Raises:
        ConstantModelError: neither reads a bit.
        UnsupportedModelError: it has more products of one depth than a circuit's value has elements.
    """
    products, outputs = plan.products, plan.products.outputs
    depths = _by_depth(plan)
    numbers = [number for depth in depths for number in depth]
    forms = [products.forms[number] for number in numbers]
    used = {key // outputs - 1 for form in (*forms, plan.scores) for key in form.weights if key >= outputs}
    used |= {products.selectors[number] for number in numbers}
    used |= frozenset() if tables is None else tables.selectors
    if not used:
        raise ConstantModelError("the model gives the same scores for every input: there is nothing to compute")
    position = {bit: index for index, bit in enumerate(sorted(used))}
    edges = tuple(
        tuple(edge for edge in each if bits.index[feature, edge] in used) for feature, each in enumerate(bits.edges)
    )
    groups = tuple(InputGroup(GroupKind.THERMOMETER, len(each)) for each in edges if each)
    nodes: list[Node] = [Input(groups)]
    place: dict[int, tuple[int, int]] = {}
    """Of each product, its node and its first element there."""
    for depth in depths:
        size = len(depth) * outputs
        if size > limits.MAX_VECTOR_SIZE:
            raise UnsupportedModelError(
                f"{len(depth)} products of bits side by side, with {outputs} value(s) each, are more than "
                f"{limits.MAX_VECTOR_SIZE} elements; use fewer or shallower trees, or leave explain=None, if it was set"
            )
        nodes.append(_linear([products.forms[number] for number in depth], outputs, position, place))
        selectors = np.array([position[products.selectors[number]] for number in depth], np.int64)
        nodes.append(Product(len(nodes) - 1, selectors, size))
        place |= {number: (len(nodes) - 1, index * outputs) for index, number in enumerate(depth)}
    scores = _linear([plan.scores], outputs, position, place)
    if tables is not None:
        nodes.append(tables.rotation(position))
        turned = Term.from_dense(len(nodes) - 1, np.eye(outputs, dtype=np.int64))
        scores = replace(scores, terms=(*scores.terms, turned))
    nodes.append(scores)
    return LaidOut(with_output_maximum(Circuit(tuple(nodes), len(nodes) - 1), highest_output), edges)


def _by_depth(plan: FoundPlan) -> list[list[int]]:
    """Numbers of the products that the scores reach: those of each depth read only such as are less deep."""
    products = plan.products
    depth_of: dict[int, int] = {}
    depths: list[list[int]] = []
    for number in sorted(products.reached([plan.scores])):  # a product reads only earlier ones
        depth = max((depth_of[each] + 1 for each in products.forms[number].products), default=0)
        depth_of[number] = depth
        if depth == len(depths):
            depths.append([])
        depths[depth].append(number)
    return [sorted(depth, key=lambda number: (products.selectors[number], number)) for depth in depths]


def _linear(forms: Sequence[Form], outputs: int, position: dict[int, int], place: dict[int, tuple[int, int]]) -> Linear:
    """One block of elements a form."""
    offset = np.zeros(len(forms) * outputs, np.int64)
    entries: dict[int, list[tuple[int, int, int]]] = {}
    for index, form in enumerate(forms):
        for key, weight in form.weights.items():
            column = index * outputs + key % outputs
            if key < outputs:
                offset[column] = weight
            else:
                entries.setdefault(0, []).append((position[key // outputs - 1], column, weight))
        for number, sign in form.products.items():
            node, first = place[number]
            entries.setdefault(node, []).extend(
                (first + output, index * outputs + output, sign) for output in range(outputs)
            )
    return Linear(tuple(_term(source, entries[source]) for source in sorted(entries)), offset)


def _term(source: int, entries: list[tuple[int, int, int]]) -> Term:
    rows, columns, weights = np.array(sorted(entries), np.int64).T.copy()
    return Term(source, rows, columns, weights)
