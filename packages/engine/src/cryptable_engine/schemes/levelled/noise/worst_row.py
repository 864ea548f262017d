"""A bound, over all honest rows, of the gains by which each part of a plan's noise enters the answer."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cryptable_engine.circuit.circuit import IntArray
from cryptable_engine.schemes.levelled.noise.variances import PLACED, RowVariances
from cryptable_engine.schemes.levelled.plans.plan import Plan, Weights

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class WorstRow:
    """No honest row has more.

    Attributes:
        selectors: for each selector, the sum of the squared gains of its products, shape (selectors,).
        products: the sum of the squared gains of all products.
        linear: variance of what forms read from leaves and places, of the noisiest slot.
        rounding: how far the rounding of weights moves each slot, shape (slots,).
    """

    selectors: FloatArray
    products: float
    linear: float
    rounding: FloatArray


def worst_row(plan: Plan, variances: RowVariances) -> WorstRow:
    """The bound for a plan."""
    up, down = _occurrences(plan)
    gain = np.maximum(up, down)[:-1]
    squared = _coherent_squares(plan, gain)
    selectors = np.bincount(plan.selector, squared, len(plan.parameters.selectors)).astype(np.float64)
    leaves = _read(plan.leaves, up, down)
    linear = float(np.sum(variances.any_coefficients[leaves[0]] * np.sum(leaves[1] ** 2, axis=1)))
    linear += PLACED * float(np.sum(_read(plan.places, up, down)[1] ** 2))
    return WorstRow(selectors, float(squared.sum()), linear, _rounding(plan, up, down))


def _occurrences(plan: Plan) -> tuple[FloatArray, FloatArray]:
    """How often each form enters the answer with sign 1 and with sign −1, all bits being 1.

    The gain of a row, for which some of these are missing, lies between minus the latter and the former.
    """
    forms = plan.forms
    up, down = np.zeros(forms.products + 1), np.zeros(forms.products + 1)
    up[forms.root] = 1.0
    for form in range(forms.root, -1, -1):
        part = forms.terms(form)
        product, positive = forms.term_product[part], forms.term_sign[part] > 0
        np.add.at(up, product, np.where(positive, up[form], down[form]))
        np.add.at(down, product, np.where(positive, down[form], up[form]))
    return up, down


def _read(weights: Weights, up: FloatArray, down: FloatArray) -> tuple[IntArray, FloatArray]:
    """Each source that is read, and the greatest absolute weight in the answer of each of its slots."""
    sources, place = np.unique(weights.source, return_inverse=True)
    positive, negative = np.maximum(weights.weight, 0), np.maximum(-weights.weight, 0)
    one, other = up[weights.form, None], down[weights.form, None]
    total = np.zeros((2, len(sources), weights.weight.shape[1]))
    np.add.at(total[0], place.ravel(), one * positive + other * negative)
    np.add.at(total[1], place.ravel(), one * negative + other * positive)
    return sources, total.max(axis=0)


def _rounding(plan: Plan, up: FloatArray, down: FloatArray) -> FloatArray:
    form = plan.forms.form_of_reads()
    positive, negative = np.maximum(plan.rounding, 0), np.maximum(-plan.rounding, 0)
    one, other = up[form, None], down[form, None]
    total: FloatArray = np.maximum(
        np.sum(one * positive + other * negative, axis=0), np.sum(one * negative + other * positive, axis=0)
    )
    return total


def _coherent_squares(plan: Plan, gain: FloatArray) -> FloatArray:
    """Squared gains.

    Forms under one selector that are multiples of one another have correlated digits: their gains are added first.
    """
    squares = gain**2
    for group in coherent_groups(plan):
        total = float(gain[group].sum())
        squares[group] *= total / np.maximum(gain[group], 1e-300)
    found: FloatArray = squares
    return found


def coherent_groups(plan: Plan) -> list[IntArray]:
    """Products of one selector whose forms have no terms and weights that are multiples of one vector."""
    groups: dict[tuple[int, bytes], list[int]] = {}
    forms = plan.forms
    leaf_first = np.searchsorted(plan.leaves.form, np.arange(forms.products + 1))
    place_first = np.searchsorted(plan.places.form, np.arange(forms.products + 1))
    for product in range(forms.products):
        part = forms.terms(product)
        if part.start != part.stop:
            continue
        rows = [
            (weights.source[first[product] : first[product + 1]], weights.weight[first[product] : first[product + 1]])
            for weights, first in ((plan.leaves, leaf_first), (plan.places, place_first))
        ]
        vector = np.concatenate([weight.ravel() for _, weight in rows]).astype(np.int64)
        divisor = math.gcd(*vector.tolist())
        nonzero = vector[np.flatnonzero(vector)[:1]]
        divisor = divisor if nonzero.size and nonzero[0] > 0 else -divisor
        key = b"|".join([source.tobytes() for source, _ in rows]) + (vector // (divisor or 1)).tobytes()
        groups.setdefault((int(plan.selector[product]), key), []).append(product)
    return [np.array(group) for group in groups.values() if len(group) > 1]
