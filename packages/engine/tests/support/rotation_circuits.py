"""Random circuits with a rotation, and parameters for them."""

import numpy as np
from cryptable_engine import (
    Circuit,
    GroupKind,
    Input,
    InputGroup,
    Linear,
    Product,
    Rotation,
    Term,
    TurningTree,
    verify,
)
from cryptable_engine.circuit.bounds import bounds


def rotation_circuit(
    random,
    *,
    bits=12,
    neurons=4,
    positions=64,
    outputs=1,
    common=2,
    density=0.7,
    largest=20,
    reads=True,
    groups=None,
    dependent=False,
    trees=0,
    signs=0,
):
    """Neurons that most bits turn, some bits alike; forms that read bits, and a product beside them.

    With `signs`, so many bits more change the signs of half of the neurons' tables, each of a table of its own. A
    `dependent` one turns by those alone that turn all. Of `trees`, each turns some tables, the last one all; without
    `density`, tables are turned by nothing else.
    """
    given = Input(groups or (InputGroup(GroupKind.RANGE, bits + signs),))
    exponents = random.integers(1, 2 * positions, (bits, neurons)) * (random.random((bits, neurons)) < density)
    if density:
        exponents[np.arange(neurons) % bits, np.arange(neurons)] = 1 + np.arange(neurons) % (2 * positions - 1)
    exponents[bits - common :] = random.integers(1, 2 * positions, (common, 1))
    if dependent:
        exponents[: bits - common, 0] = 0
    exponents[exponents == positions] = 1 if signs else positions
    for _ in range(signs):
        half = np.zeros((1, exponents.shape[1]), np.int64)
        signed = np.flatnonzero(~(exponents == positions).any(axis=0))[: -(-neurons // 2)]
        exponents = np.concatenate(
            [np.concatenate([exponents, half]), np.zeros((len(exponents) + 1, len(signed)), np.int64)], axis=1
        )
        exponents[:, -len(signed) :] = exponents[:, signed]
        exponents[-1, -len(signed) :] = positions
    bits, neurons = exponents.shape
    kept = np.flatnonzero(exponents.any(axis=1))
    tables = random.integers(-largest, largest + 1, (neurons, positions, outputs))
    grown = [grown_tree(random, bits, neurons, positions, every=number == trees - 1) for number in range(trees)]
    nodes = [given, Rotation(kept, exponents[kept], tables, tuple(grown))]
    weights = random.integers(-largest, largest + 1, (bits, outputs)) if reads else np.zeros((bits, outputs))
    terms = [Term.from_dense(0, weights), Term.from_dense(1, np.eye(outputs))]
    if reads:
        nodes += [Linear((Term.from_dense(0, np.roll(weights, 1, axis=0)),), np.ones(outputs, np.int64))]
        nodes += [Product(2, np.array([bits - 1]), outputs)]
        terms.append(Term.from_dense(3, np.eye(outputs)))
    low = bounds(Circuit((*nodes, Linear(tuple(terms), np.zeros(outputs, np.int64))), len(nodes)))[-1].low
    circuit = Circuit((*nodes, Linear(tuple(terms), -low)), len(nodes))
    verify(circuit)
    return circuit


def grown_tree(random, bits, neurons, positions, *, depth=3, every=True):
    """A random tree over bits 0 .. bits - 1, none twice on a path: TurningTree."""
    nodes, rest = [], [(tuple(range(bits)), depth)]
    while rest:
        left, more = rest.pop()
        if not more or not left or (nodes and random.random() < 0.2):
            nodes.append(-1)
            continue
        bit = int(random.choice(left))
        nodes.append(bit)
        rest += [(tuple(each for each in left if each != bit), more - 1)] * 2
    exponents = random.integers(0, 2 * positions, (nodes.count(-1), neurons))
    exponents[0], exponents[-1] = 0, 1
    if not every:
        exponents[:, 1:] *= random.integers(0, 2, neurons - 1)
    return TurningTree(np.array(nodes), exponents)
