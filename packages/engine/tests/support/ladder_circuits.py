"""Functions of pairs of thermometers as levelled circuits: a product for each bit of the outer ones."""

import numpy as np
from cryptable_engine import Circuit, GroupKind, Input, InputGroup, Linear, Product, Term, verify
from cryptable_engine.circuit.bounds import bounds


def ladder_circuit(random, *, thermometers, outer, outputs=1, largest=40, density=1.0):
    """Each outer thermometer with all others: tables of random numbers, in a share of their cells."""
    first = np.concatenate([[0], np.cumsum(thermometers)])
    bits, selectors = int(first[-1]), [bit for each in outer for bit in range(first[each], first[each + 1])]
    forms = random.integers(-largest, largest + 1, (bits, len(selectors), outputs))
    forms *= random.random((bits, len(selectors), 1)) < density
    for place, selector in enumerate(selectors):
        own = np.flatnonzero(first <= selector)[-1]
        forms[first[own] : first[own + 1], place] = 0
        forms[(first[own + 1]) % bits, place, 0] = largest + 1 + place  # none is constant, and no two are equal
    signs = random.choice([-1, 1], len(selectors))
    signs[:2] = -1, 1
    form = Linear((Term.from_dense(0, forms.reshape(bits, -1)),), random.integers(-9, 9, len(selectors) * outputs))
    product = Product(1, np.array(selectors), len(selectors) * outputs)
    terms = (
        Term.from_dense(0, random.integers(-largest, largest + 1, (bits, outputs))),
        Term.from_dense(2, np.kron(signs[:, None], np.eye(outputs, dtype=np.int64))),
    )
    given = Input(tuple(InputGroup(GroupKind.THERMOMETER, size) for size in thermometers))
    low = bounds(Circuit((given, form, product, Linear(terms, np.zeros(outputs, np.int64))), 3))[-1].low
    circuit = Circuit((given, form, product, Linear(terms, -np.minimum(low, 0))), 3)
    verify(circuit)
    return circuit


def rows_of(random, circuit, count):
    """Rows of thermometers that end anywhere."""
    sizes = [group.size for group in circuit.input.groups]
    return np.concatenate(
        [(np.arange(size) < random.integers(0, size + 1, (count, 1))).astype(np.int64) for size in sizes], axis=1
    )
