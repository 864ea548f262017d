"""The ways through products that read no others: every way in which thermometers set their bits.

Where a subtree's products stand beside the product that replaces them, they cancel when its bit is on: a row pays for
one path of a tree, not for all its nodes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from cryptable_engine.circuit.circuit import IntArray
from cryptable_engine.schemes.levelled.plans.forms import Forms

MOST_STEPS = 4096
"""Of the ways through one component."""


@dataclass(frozen=True, eq=False)
class Way:
    """Products whose noise enters the answer, with which factors, and whether their bits are on."""

    products: IntArray
    factors: IntArray
    on: IntArray


@dataclass(frozen=True, eq=False)
class Component:
    """Products, increasing, that read no others; those that the answer reads, with signs; and every way through them.

    `ways` is None where there are too many.
    """

    members: IntArray
    start: dict[int, int]
    ways: tuple[Way, ...] | None


@lru_cache(maxsize=4)
def components(forms: Forms, most_steps: int = MOST_STEPS) -> tuple[Component, ...]:
    """All products of a circuit, and the ways through them."""
    part = forms.terms(forms.root)
    start = dict(zip(forms.term_product[part].tolist(), forms.term_sign[part].tolist(), strict=True))
    found = []
    for members in _apart(forms):
        own = {product: start[product] for product in members.tolist() if product in start}
        found.append(Component(members, own, _ways(forms, own, most_steps)))
    return tuple(found)


def _apart(forms: Forms) -> list[IntArray]:
    """Products in groups, such that none reads a product of another group; each increasing."""
    parent = list(range(forms.products))

    def find(product: int) -> int:
        while parent[product] != product:
            parent[product] = parent[parent[product]]
            product = parent[product]
        return product

    within = slice(0, int(forms.term_first[forms.root]))
    reading = forms.form_of_terms()[within]
    for one, other in zip(reading.tolist(), forms.term_product[within].tolist(), strict=True):
        parent[find(one)] = find(other)
    groups: dict[int, list[int]] = {}
    for product in range(forms.products):
        groups.setdefault(find(product), []).append(product)
    return [np.array(group, np.int64) for group in groups.values()]


def _ways(forms: Forms, start: dict[int, int], most_steps: int) -> tuple[Way, ...] | None:
    found: list[Way] = []
    steps = 0
    entered: tuple[tuple[int, int, int], ...] = ()
    known: dict[int, tuple[int, int]] = {}
    left = [(start, known, entered)]
    while left:
        standing, known, entered = left.pop()
        steps += 1
        if steps > most_steps:
            return None
        if not standing:
            products, factors, on = np.array(entered, np.int64).reshape(-1, 3).T
            found.append(Way(products, factors, on))
            continue
        product = max(standing)  # forms read only earlier products: nothing adds to its factor any more
        others = dict(standing)
        factor = others.pop(product)
        bit = int(forms.bit[product])
        group = int(forms.group[bit])
        last, first = known.get(group, (-1, forms.inputs))  # of its thermometer, the last on and the first off
        if bit > last:
            left.append((others, {**known, group: (last, min(first, bit))}, (*entered, (product, factor, 0))))
        if bit < first:
            for number, sign in _terms(forms, product):
                total = others.get(number, 0) + sign * factor
                others = {**others, number: total}
                if not total:
                    del others[number]
            left.append((others, {**known, group: (max(last, bit), first)}, (*entered, (product, factor, 1))))
    return tuple(found)


def _terms(forms: Forms, product: int) -> Iterator[tuple[int, int]]:
    part = forms.terms(product)
    return zip(forms.term_product[part].tolist(), forms.term_sign[part].tolist(), strict=True)
