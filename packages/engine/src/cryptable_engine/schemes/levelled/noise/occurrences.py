"""How often products and forms can enter an answer, all bits being on; and which products' noise is correlated."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from cryptable_engine.circuit.circuit import IntArray
from cryptable_engine.schemes.levelled.plans.forms import Forms
from cryptable_engine.schemes.levelled.plans.plan import Plan

FloatArray = npt.NDArray[np.float64]


def occurrences(forms: Forms, members: IntArray, start: dict[int, int]) -> tuple[FloatArray, FloatArray]:
    """With sign 1 and with sign −1, of each of some products, which none of the others reads.

    The gain of a row, for which some of these are missing, lies between minus the latter and the former.

    Args:
        forms: of a circuit.
        members: products, increasing.
        start: those that the answer reads, with signs.
    """
    up, down = np.zeros(len(members)), np.zeros(len(members))
    for product, sign in start.items():
        (up if sign > 0 else down)[np.searchsorted(members, product)] += abs(sign)
    for place in range(len(members) - 1, -1, -1):
        part = forms.terms(int(members[place]))
        read, positive = np.searchsorted(members, forms.term_product[part]), forms.term_sign[part] > 0
        np.add.at(up, read, np.where(positive, up[place], down[place]))
        np.add.at(down, read, np.where(positive, down[place], up[place]))
    return up, down


def coherence(plan: Plan) -> IntArray:
    """For each product, the number of those whose noise is correlated with its own, itself among them.

    They are products under one selector whose forms have no terms and weights that are multiples of one vector: their
    masks are multiples of one polynomial, and so are not independent digit by digit. (x + … + y)² ≤ n (x² + … + y²).
    """
    forms = plan.forms
    edges = np.arange(forms.products + 1)
    parts = [(weights, np.searchsorted(weights.form, edges)) for weights in (plan.leaves, plan.places)]
    groups: dict[tuple[int, bytes], list[int]] = {}
    for product in np.flatnonzero(np.diff(forms.term_first[:-1]) == 0).tolist():
        rows = [slice(first[product], first[product + 1]) for _, first in parts]
        vector = np.concatenate([weights.weight[row].ravel() for (weights, _), row in zip(parts, rows, strict=True)])
        integers = vector.astype(np.int64)
        divisor = math.gcd(*integers.tolist()) or 1
        sign = -1 if integers[np.flatnonzero(integers)[:1]].sum() < 0 else 1
        key = b"|".join(weights.source[row].tobytes() for (weights, _), row in zip(parts, rows, strict=True))
        groups.setdefault((int(plan.selector[product]), key + (sign * integers // divisor).tobytes()), []).append(
            product
        )
    found = np.ones(forms.products, np.int64)
    for group in groups.values():
        found[group] = len(group)
    return found


def begun_alike(plan: Plan) -> tuple[IntArray, FloatArray]:
    """How many turns may have noise correlated with each product's; and squared gains of turns for such products.

    A form that reads one bit alone, and a table that begins with it, have masks that are multiples of the same
    polynomials: under one selector, digits of one may be those of the other. Each counts the other as in `coherence`:
    what is correlated with n − 1 others enters n times.

    Returns:
        Shapes (products,) and (selectors,).
    """
    forms, turns, levels = plan.forms, plan.turns, plan.layout.gadget.levels
    products, gains = np.zeros(forms.products, np.int64), np.zeros(len(plan.layout.selectors))
    if turns is None:
        return products, gains
    edges = np.arange(forms.products + 1)
    own, places = (np.searchsorted(weights.form, edges) for weights in (plan.leaves, plan.places))
    begun = np.append(turns.selector, -1)[turns.first]  # of each table, −1 without
    common = [begun[0]] if len(set(begun.tolist())) == 1 else []
    for product in np.flatnonzero(np.diff(forms.term_first[:-1]) == 0).tolist():
        read = set((plan.leaves.source[own[product] : own[product + 1]] // levels).tolist())
        if places[product] < places[product + 1] or len(read) != 1:
            continue
        bit, selector = read.pop(), int(plan.selector[product])
        alike, under = begun == bit, turns.selector == selector
        count = int(turns.own[under][:, alike].sum()) + (bit in common) * int(turns.common[under].sum())
        for tree, asked in zip(turns.trees, turns.asked, strict=True):
            count += int((asked[tree.moves] == selector).sum() * alike[tree.neurons].sum())
        products[product] += count
        gains[selector] += count
    return products, gains
