"""Random circuits with a rotation, and parameters for them."""

import numpy as np
from cryptable_engine import Circuit, GroupKind, Input, InputGroup, Linear, Product, Rotation, Term, verify
from cryptable_engine.circuit.bounds import bounds


def rotation_circuit(
    random, *, bits=12, neurons=4, positions=64, outputs=1, common=2, density=0.7, largest=20, reads=True, groups=None
):
    """Neurons that most bits turn, some bits alike; forms that read bits, and a product beside them."""
    given = Input(groups or (InputGroup(GroupKind.RANGE, bits),))
    exponents = random.integers(1, 2 * positions, (bits, neurons)) * (random.random((bits, neurons)) < density)
    exponents[np.arange(neurons) % bits, np.arange(neurons)] = 1 + np.arange(neurons) % (2 * positions - 1)
    exponents[bits - common :] = random.integers(1, 2 * positions, (common, 1))
    kept = np.flatnonzero(exponents.any(axis=1))
    tables = random.integers(-largest, largest + 1, (neurons, positions, outputs))
    nodes = [given, Rotation(kept, exponents[kept], tables)]
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
