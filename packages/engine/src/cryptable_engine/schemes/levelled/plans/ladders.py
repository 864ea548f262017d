"""Ladders: products by the bits of one thermometer, all of which the answer adds up, and weights that stay small.

Where no product reads another, the answer of a row is a sum over ladders of what their rungs read up to the last one
whose bit is on. Such sums are known from circuits: they, and not the rungs, are what is rounded, and brought between
−1/2 and 1/2. What they read is a thermometer's bits up to some bit, so sums along these are rounded, and differ by at
most half a step from what they should be, however many bits there are (docs/decisions/0051-ladders.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from cryptable_engine.circuit.circuit import IntArray
from cryptable_engine.schemes.levelled.plans.forms import Forms
from cryptable_engine.schemes.levelled.plans.torus import FloatArray, on_torus


@dataclass(frozen=True, eq=False)
class Ladder:
    """Forms of products in the order of their bits, with the signs that the answer adds them with; or the answer's own.

    A row reads the first ones of them, none to all, and the answer's own form always.
    """

    rungs: IntArray
    signs: IntArray


@dataclass(frozen=True, eq=False)
class Block:
    """What the rungs of a ladder read of one thermometer, in the order of its bits: shape (rungs, bits, …)."""

    ladder: Ladder
    bits: IntArray
    weights: IntArray


def ladders(forms: Forms) -> tuple[Ladder, ...] | None:
    """All forms, the answer's own last; None where a product reads products, or tables are turned."""
    products, root = forms.products, forms.root
    part = forms.terms(root)
    read = forms.term_product[part]
    if forms.rotation is not None or part.start or not np.array_equal(np.sort(read), np.arange(products)):
        return None
    sign = np.empty(products, np.int64)
    sign[read] = forms.term_sign[part]
    order = np.lexsort((forms.bit, forms.group[forms.bit]))
    starts = np.flatnonzero(np.diff(forms.group[forms.bit[order]])) + 1
    found = [Ladder(rungs, sign[rungs]) for rungs in np.split(order, starts) if rungs.size]
    return (*found, Ladder(np.array([root]), np.ones(1, np.int64)))


def places_of(forms: Forms, found: tuple[Ladder, ...]) -> tuple[IntArray, IntArray]:
    """Of each form, the number of its ladder, and of its rung there."""
    ladder_of, rung_of = np.empty((2, forms.products + 1), np.int64)
    for number, ladder in enumerate(found):
        ladder_of[ladder.rungs], rung_of[ladder.rungs] = number, np.arange(ladder.rungs.size)
    return ladder_of, rung_of


def blocks(forms: Forms, found: tuple[Ladder, ...], kind: IntArray) -> Iterator[Block]:
    """What ladders read, by ladder, thermometer and the kind of a bit's source.

    Args:
        forms: with these ladders.
        found: them.
        kind: of each input element.
    """
    ladder_of, rung_of = places_of(forms, found)
    form, bit = forms.form_of_reads(), forms.read_bit
    keys = (ladder_of[form], forms.group[bit], kind[bit])
    order = np.lexsort((bit, *keys[::-1]))
    changes = np.any([np.diff(key[order]) for key in keys], axis=0)
    for reads in np.split(order, np.flatnonzero(changes) + 1):
        if not reads.size:
            continue
        ladder = found[int(ladder_of[form[reads[0]]])]
        bits, place = np.unique(bit[reads], return_inverse=True)
        weights = np.zeros((ladder.rungs.size, bits.size, forms.outputs), np.int64)
        weights[rung_of[form[reads]], place.ravel()] = forms.read_weight[reads]
        yield Block(ladder, bits, weights)


def sums_on_torus(block: Block, moduli: tuple[int, ...], scale: int) -> tuple[FloatArray, FloatArray]:
    """Of each rung with those below, weights as integers at a scale, and by how much they miss the exact ones.

    Returns:
        Shapes (rungs, bits, slots): the first between −2^(scale−1) and 2^(scale−1), the second on the torus.
    """
    up_to = (block.ladder.signs[:, None, None] * block.weights).cumsum(axis=0)
    rungs, bits, outputs = up_to.shape
    along = on_torus(up_to.cumsum(axis=1).reshape(-1, outputs), moduli).reshape(rungs, bits, -1)
    rounded = np.rint(along * 2.0**scale)
    half = 2.0 ** (scale - 1)
    integers = (np.diff(rounded, axis=1, prepend=0.0) + half) % (2 * half) - half
    missed = np.diff(rounded * 2.0**-scale - along, axis=1, prepend=0.0)
    return integers, missed


def by_rung(block: Block, sums: FloatArray) -> FloatArray:
    """What each rung adds to the sum below it, with the sign that the answer takes it with."""
    found: FloatArray = block.ladder.signs[:, None, None] * np.diff(sums, axis=0, prepend=0.0)
    return found
