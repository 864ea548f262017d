"""Trees as levelled circuits: a branch is its left side, plus its bit times what the right side has more."""

import numpy as np
from cryptable_engine import Circuit, CircuitError, GroupKind, Input, InputGroup, Linear, Product, Term
from cryptable_engine.schemes.levelled.plans.plan import check


def tree_circuit(random, **shape):
    """As `_trees`, drawn again until no form is constant, and no two are equal under one bit."""
    while True:
        circuit = _trees(random, **shape)
        try:
            check(circuit)
        except CircuitError:
            continue
        return circuit


def _trees(random, *, trees, depth, thermometers, largest=5):
    """Full trees of a score, whose lowest level is linear; `thermometers` are numbers of bits."""
    bits = sum(thermometers)
    selectors, forms, depths = [], [], []
    root = {}

    def tree(level):
        """The form of a subtree: {product: sign} and {bit or -1: weight}."""
        if level == 1:
            bit, weight, constant = random.integers([0, 1, 0], [bits, largest, largest]).tolist()
            return {}, {bit: weight, -1: constant}
        (one, left), (other, right) = tree(level - 1), tree(level - 1)
        form = _add(other, one, -1), _add(right, left, -1)
        selectors.append(int(random.integers(bits)))
        forms.append(form)
        depths.append(1 + max((depths[product] for product in form[0]), default=-1))
        return _add(one, {len(forms) - 1: 1}, 1), left

    answer = {}
    for _ in range(trees):
        products, weights = tree(depth)
        root = _add(root, products, 1)
        answer = _add(answer, weights, 1)
    nodes, place = [Input(tuple(InputGroup(GroupKind.THERMOMETER, size) for size in thermometers))], {}
    for level in range(max(depths) + 1):
        now = [product for product, at in enumerate(depths) if at == level]
        nodes.append(_linear([forms[product] for product in now], bits, place))
        nodes.append(Product(len(nodes) - 1, np.array([selectors[product] for product in now]), len(now)))
        place |= {product: (len(nodes) - 1, index) for index, product in enumerate(now)}
    nodes.append(_linear([(root, answer)], bits, place))
    return Circuit(tuple(nodes), len(nodes) - 1, output_maximum=trees * 2 * largest)


def _add(one, other, sign):
    total = dict(one)
    for key, value in other.items():
        total[key] = total.get(key, 0) + sign * value
    return {key: value for key, value in total.items() if value}


def _linear(forms, bits, place):
    matrices = {0: np.zeros((bits, len(forms)), np.int64)}
    offset = np.zeros(len(forms), np.int64)
    for column, (products, weights) in enumerate(forms):
        for bit, weight in weights.items():
            if bit < 0:
                offset[column] = weight
            else:
                matrices[0][bit, column] = weight
        for product, sign in products.items():
            node, row = place[product]
            size = sum(1 for at, _ in place.values() if at == node)
            matrices.setdefault(node, np.zeros((size, len(forms)), np.int64))[row, column] = sign
    return Linear(tuple(Term.from_dense(source, matrices[source]) for source in sorted(matrices)), offset)
