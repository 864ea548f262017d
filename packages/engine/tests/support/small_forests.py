"""Random forests as levelled circuits, of thermometers of any length; and what columns compute, in the clear."""

import numpy as np
from cryptable_engine import Circuit, GroupKind, Input, InputGroup, Linear, Product, Term, verify
from cryptable_engine.circuit.bounds import bounds


def forest(random, thermometers, *, trees, depth):
    """A verified circuit: each tree is bit · (right − left) + left, down to nodes above leaves, which are linear."""
    starts = np.concatenate([[0], np.cumsum(thermometers)])
    bits = int(starts[-1])
    nodes = [Input(tuple(InputGroup(GroupKind.THERMOMETER, size) for size in thermometers))]

    def bit():
        feature = int(random.integers(len(thermometers)))
        return int(starts[feature] + random.integers(thermometers[feature]))

    def tree(height):
        """A value as weights of bits, weights of products by node, and a constant."""
        if not height:
            return {}, {}, int(random.integers(0, 8))
        low, high = tree(height - 1), tree(height - 1)
        chosen = bit()
        if height == 1:
            return {chosen: high[2] - low[2]}, {}, low[2]
        form = ({}, {}, high[2] - low[2])
        for part, sign in ((high, 1), (low, -1)):
            for own, added in zip(form[:2], part[:2], strict=True):
                for place, weight in added.items():
                    own[place] = own.get(place, 0) + sign * weight
        node = product(chosen, form)
        return low[0], {**low[1], node: low[1].get(node, 0) + 1}, low[2]

    def linear(form):
        dense = np.zeros((bits, 1), np.int64)
        for place, weight in form[0].items():
            dense[place] += weight
        terms = [Term.from_dense(0, dense)]
        terms += [Term.from_dense(node, [[weight]]) for node, weight in sorted(form[1].items()) if weight]
        return Linear(tuple(terms), np.array([form[2]]))

    def product(chosen, form):
        nodes.extend([linear(form), Product(len(nodes), np.array([chosen]), 1)])
        return len(nodes) - 1

    total = ({}, {}, 0)
    for _ in range(trees):
        part = tree(depth)
        total = ({**total[0]}, {**total[1], **part[1]}, total[2] + part[2])
        for place, weight in part[0].items():
            total[0][place] = total[0].get(place, 0) + weight
    last = linear(total)
    low = bounds(Circuit((*nodes, last), len(nodes)))[-1].low
    circuit = Circuit((*nodes, Linear(last.terms, last.offset - np.minimum(low, 0))), len(nodes))
    verify(circuit)
    return circuit


def drawn_rows(random, thermometers, count):
    """Rows of thermometers, each with any number of ones."""
    parts = [np.tri(size + 1, size, -1, dtype=np.int64)[random.integers(0, size + 1, count)] for size in thermometers]
    return np.concatenate(parts, axis=1)
