"""Random levelled circuits, and parameters for them."""

import math

import numpy as np
from cryptable_engine import Circuit, GroupKind, Input, InputGroup, Linear, Product, Term, verify
from cryptable_engine.circuit.bounds import bounds, highest_output
from cryptable_engine.schemes.levelled.plans.forms import read_forms
from cryptable_protocol.schemes.levelled.keyset import UNIVERSAL, Gadget
from cryptable_protocol.schemes.levelled.parameters import LevelledParameters

MODULI = ((3, 5, 7, 8), (5, 7, 8, 9), (8, 9, 11, 13), (5, 7, 8, 9, 11), (5, 7, 8, 9, 11, 13))


def levelled_circuit(random, *, bits=9, outputs=1, steps=(3, 2), largest=3, groups=None):
    """Steps of products, each of forms that read some bits and some products of the steps before it."""
    nodes = [Input(groups or (InputGroup(GroupKind.RANGE, bits),))]
    sources, unused = [], []

    def linear(blocks, last=False):
        matrix = np.zeros((bits, blocks * outputs), np.int64)
        products = {index: np.zeros((size, blocks), np.int64) for index, size in sources}
        for block in range(blocks):
            for bit in random.choice(bits, size=min(bits, int(random.integers(2, 5))), replace=False):
                columns = slice(block * outputs, (block + 1) * outputs)
                matrix[bit, columns] = random.integers(-largest, largest + 1, outputs)
            matrix[block % bits, block * outputs] = largest + 1 + block  # no two forms are equal
        for index, size in sources:
            for product in range(size):
                if (last and (index, product) in unused) or random.random() < 0.4:
                    products[index][product, random.integers(blocks)] = random.choice([-1, 1])
                    if (index, product) in unused:
                        unused.remove((index, product))
        terms = [Term.from_dense(0, matrix)]
        identity = np.eye(outputs, dtype=np.int64)
        terms += [Term.from_dense(index, np.kron(signs, identity)) for index, signs in products.items() if signs.any()]
        return Linear(tuple(terms), random.integers(-largest, largest + 1, blocks * outputs))

    for count in steps:
        nodes.append(linear(count))
        nodes.append(Product(len(nodes) - 1, random.integers(0, bits, count), count * outputs))
        sources.append((len(nodes) - 1, count))
        unused += [(len(nodes) - 1, product) for product in range(count)]
    last = linear(1, last=True)
    shifted = Circuit((*nodes, Linear(last.terms, last.offset)), len(nodes))
    low = bounds(shifted)[-1].low
    circuit = Circuit((*nodes, Linear(last.terms, last.offset - np.minimum(low, 0))), len(nodes))
    verify(circuit)
    return circuit


def levelled_parameters(
    circuit, *, gadget=(3, 6), moduli=None, leaves=None, placed=(), answer_word_bits=14, p_error=2e-39
):
    """For a circuit: every bit that is read and no selector has a leaf, unless it is placed."""
    forms = read_forms(circuit)
    highest = highest_output(circuit, bounds(circuit))
    moduli = moduli or next(some for some in MODULI if math.prod(some) > highest)
    read = set(forms.read_bit.tolist()) - set(forms.selectors) - set(placed)
    return LevelledParameters(
        keyset=UNIVERSAL,
        inputs=forms.inputs,
        selectors=forms.selectors,
        leaves=tuple(sorted(read if leaves is None else leaves)),
        placed=tuple(placed),
        gadget=Gadget(*gadget),
        moduli=tuple(moduli),
        outputs=forms.outputs,
        maximum=highest,
        answer_word_bits=answer_word_bits,
        p_error=p_error,
    )


def honest_rows(given):
    """Every row that an honest encoder could make, shape (rows, inputs)."""
    rows = np.zeros((1, 0), np.int64)
    for group in given.groups:
        if group.kind is GroupKind.THERMOMETER:
            choices = np.tri(group.size + 1, group.size, -1, dtype=np.int64)
        else:
            choices = np.stack(np.meshgrid(*[[0, 1]] * group.size), -1).reshape(-1, group.size)
        rows = np.concatenate([np.repeat(rows, len(choices), 0), np.tile(choices, (len(rows), 1))], axis=1)
    return rows
