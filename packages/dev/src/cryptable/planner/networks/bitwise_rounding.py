"""Exact rounding: the bits that a lookup drops are taken off one by one, so that noise leads none to a neighbour."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from cryptable_engine.circuit.circuit import IntArray, Linear, Lookup, Node, Term


def exactly_rounded(nodes: list[Node], linear: Linear, lookup: Lookup) -> None:
    """Append `lookup` of `linear`, with a lookup of 1 bit before it for each bit that it drops.

    All is doubled, so that tables have even mirrors, and half of what is dropped is added, so that taking off the
    lower bits rounds to the nearest. Then bit k, all below it being 0, is half a turn of the torus where everything is
    multiplied until bit k is the highest: a table of zeros reads 0 before half a turn, and its mirror, 2, behind. Each
    such lookup stands in the middle of its positions, and so does the last one, on what is left.

    Args:
        nodes: of the circuit so far; the lookup's node is the last one after the call.
        linear: what is looked up.
        lookup: with mirrors; its `source` is not heeded.
    """
    size, dropped = linear.size, lookup.dropped_bits
    bits = lookup.width + dropped + 1
    doubled = Linear(
        tuple(replace(term, weights=2 * term.weights) for term in linear.terms),
        2 * linear.offset + (1 << dropped),
    )
    nodes.append(doubled)
    whole = len(nodes) - 1
    taken: list[int] = []
    for bit in range(dropped):
        factor = 1 << (bits - bit - 1)
        terms = [_identity(whole, size, factor)]
        terms += [_identity(node, size, -factor << below) for below, node in enumerate(taken)]
        nodes.append(Linear(tuple(terms), np.full(size, 1 << (bits - 1), np.int64)))
        tables, mirrors = np.zeros((1, 2), np.int64), np.array([2], np.int64)
        nodes.append(Lookup(len(nodes) - 1, tables, np.zeros(size, np.int64), bits - 1, mirrors))
        taken.append(len(nodes) - 1)
    rest = [_identity(node, size, -1 << below) for below, node in enumerate(taken)]
    nodes.append(Linear((_identity(whole, size, 1), *rest), np.zeros(size, np.int64)))
    nodes.append(replace(lookup, source=len(nodes) - 1, dropped_bits=dropped + 1))


def _identity(source: int, size: int, factor: int) -> Term:
    index: IntArray = np.arange(size)
    return Term(source, index, index, np.full(size, factor, np.int64))
