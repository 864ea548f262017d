"""Circuits made to be measured: sums of lookups, linear maps, turned tables, products of bits, squares of sums."""

from __future__ import annotations

import numpy as np
from cryptable_engine import (
    Circuit,
    GroupKind,
    Input,
    InputGroup,
    Linear,
    Lookup,
    Node,
    Product,
    Rotation,
    Square,
    Term,
)


def sum_of_lookups(lookups: int, width: int, output_bits: int, *, input_bits: int = 0) -> Circuit:
    """Lookups of bits of their own, summed to one number of `output_bits` bits; more input bits are read by none."""
    bits = np.arange(lookups * width)
    codes = Term(0, bits, bits // width, 1 << (bits % width))
    largest = max(1, ((1 << output_bits) - 1) // lookups)
    tables = np.array([[largest] + [0] * ((1 << width) - 1)], np.int64)
    return Circuit(
        (
            Input((InputGroup(GroupKind.RANGE, max(bits.size, input_bits), 1),)),
            Linear((codes,), np.zeros(lookups, np.int64)),
            Lookup(1, tables, np.zeros(lookups, np.int64)),
            Linear((Term.from_dense(2, np.ones((lookups, 1))),), np.zeros(1, np.int64)),
        ),
        3,
    )


def with_matrix(circuit: Circuit, columns: int, entries: int) -> Circuit:
    """`circuit`, made by `sum_of_lookups`, with one more product of its input: `entries` ones in each column.

    The score has one of the columns added, so that all are computed.
    """
    size = circuit.input.size
    rows = (np.arange(entries)[:, None] * (size // entries) + np.arange(columns) % (size // entries)).ravel()
    places = np.tile(np.arange(columns), entries)
    order = np.lexsort((places, rows))
    product = Linear((Term(0, rows[order], places[order], np.ones(rows.size, np.int64)),), np.zeros(columns, np.int64))
    score = circuit.nodes[-1]
    if not isinstance(score, Linear):
        raise TypeError(f"the last node is a {type(score).__name__}, not a Linear")
    one = np.zeros(1, np.int64)
    nodes: tuple[Node, ...] = (*circuit.nodes[:-1], product)
    added = Term(len(nodes) - 1, one, one, one + 1)
    return Circuit((*nodes, Linear((*score.terms, added), score.offset)), len(nodes))


def weighted_sum(bits: int, outputs: int) -> Circuit:
    """No lookup: each output is the sum of all bits."""
    given = Input((InputGroup(GroupKind.RANGE, bits, 1),))
    return Circuit((given, Linear((Term.from_dense(0, np.ones((bits, outputs))),), np.zeros(outputs, np.int64))), 1)


def turned_tables(tables: int, bits: int) -> Circuit:
    """Tables of 64 positions, each turned by every bit, by pseudo-random exponents: tables times bits products."""
    positions, random = 64, np.random.default_rng(0)
    given = Input((InputGroup(GroupKind.RANGE, bits, 1),))
    exponents = random.integers(1, 2 * positions, (bits, tables))
    held = random.integers(-8, 8, (tables, positions, 1))
    turned = Rotation(np.arange(bits), exponents, held)
    most = 8 * tables
    answer = Linear((Term.from_dense(1, np.ones((1, 1))),), np.full(1, most))
    return Circuit((given, turned, answer), 2)


def products_of_bits(products: int, bits: int) -> Circuit:
    """Bits in turn, times the sums of the four bits that follow, with different weights; all added up."""
    each = np.arange(products)
    given = Input((InputGroup(GroupKind.RANGE, bits, 1),))
    read = (each[:, None] + np.arange(1, 5)) % bits
    weights = 1 + (each[:, None] // bits + np.arange(4)) % 4
    order = np.lexsort((np.repeat(each, 4), read.ravel()))
    term = Term(0, read.ravel()[order], np.repeat(each, 4)[order], weights.ravel()[order])
    forms = Linear((term,), np.zeros(products, np.int64))
    answer = Linear((Term.from_dense(2, np.ones((products, 1))),), np.zeros(1, np.int64))
    return Circuit((given, forms, Product(1, each % bits, products), answer), 3)


def squares_of_sums(inputs: int, width: int, scores: int) -> Circuit:
    """Pseudo-random sums of inputs of 3 bits, squared, and sums of these."""
    random = np.random.default_rng(0)
    given = Input((InputGroup(GroupKind.RANGE, inputs, 7),))
    first = Linear((Term.from_dense(0, random.integers(1, 4, (inputs, width))),), np.zeros(width, np.int64))
    last = Linear((Term.from_dense(2, random.integers(1, 4, (width, scores))),), np.zeros(scores, np.int64))
    return Circuit((given, first, Square(1, width), last), 3)
