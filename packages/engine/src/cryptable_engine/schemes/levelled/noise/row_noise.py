"""The variance of one row's answer: gains followed exactly through the plan, to compare with what is measured."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from cryptable_protocol.schemes.levelled.keyset import RING_SIZE
from cryptable_protocol.schemes.levelled.layout import Run

from cryptable_engine.circuit.circuit import IntArray
from cryptable_engine.circuit.turning_tree import LEAF
from cryptable_engine.schemes.levelled.noise.turning import first_leaves
from cryptable_engine.schemes.levelled.noise.variances import (
    PLACED,
    UPLOADED,
    FloatArray,
    RowVariances,
    answer_noise,
    zero_noise,
)
from cryptable_engine.schemes.levelled.plans.automorphisms import targets
from cryptable_engine.schemes.levelled.plans.plan import Plan
from cryptable_engine.schemes.levelled.plans.turns import Turns
from cryptable_engine.schemes.levelled.plans.weights import Weights


def row_variance(
    plan: Plan, variances: RowVariances, bits: IntArray, *, are_leaves_followed: bool = True
) -> FloatArray:
    """Of the phase of each slot, shape (slots,), for a row of bits; weights' rounding, which is no noise, is not in it.

    What forms read from leaves is followed back through the trace tree, some milliseconds a leaf and slot; or leaves
    are taken as if their errors were independent.
    """
    _, gains = row_gains(plan, bits)
    _, placed = _added(plan.places, gains)
    others = (
        _products(plan, variances, bits)
        + _turns(plan, variances, bits)
        + PLACED * float(np.sum(placed**2))
        + answer_noise(plan.parameters.answer_word_bits, variances.secret)
    )
    leaves, read = _leaves(plan, variances, bits)
    if not are_leaves_followed:
        return np.full(plan.layout.slots, others + variances.leaf[leaves] @ np.sum(read**2, axis=1))
    found: FloatArray = others + sum(
        (
            _run_variance(run, variances, leaves[part] - run.first, read[part], np.zeros(1, np.int64))
            for run in variances.runs
            if (part := (leaves >= run.first) & (leaves < run.first + run.count)).any()
        ),
        np.zeros(plan.layout.slots),
    )
    return found


def packed_variance(plan: Plan, variances: Sequence[RowVariances], rows: IntArray) -> FloatArray:
    """Of the phase of each slot of rows that share an answer, shape (rows, slots), as `row_variance`.

    Args:
        plan: of a row.
        variances: of each of them.
        rows: bits.
    """
    slots = plan.layout.slots
    others = sum(_products(plan, each, bits) for each, bits in zip(variances, rows, strict=True))
    others += answer_noise(plan.parameters.answer_word_bits, variances[0].secret)
    parts = [_leaves(plan, each, bits) for each, bits in zip(variances, rows, strict=True)]
    leaves, read = (np.concatenate(part) for part in zip(*parts, strict=True))
    row = np.repeat(np.arange(len(rows)), [len(leaves) for leaves, _ in parts])
    (run,) = variances[0].runs
    found: FloatArray = others + np.stack(
        [_run_variance(run, variances[0], leaves, read, (place - row) * slots) for place in range(len(rows))]
    )
    return found


def _products(plan: Plan, variances: RowVariances, bits: IntArray) -> float:
    entering, gains = row_gains(plan, bits)
    each = variances.product_keys[plan.selector] + variances.product_rounding
    return float(entering**2 @ each + np.sum(gains[:-1] ** 2) * variances.product_left)


def _leaves(plan: Plan, variances: RowVariances, bits: IntArray) -> tuple[IntArray, FloatArray]:
    """Of the tree that a row reads, and by which weights, shape (leaves, slots)."""
    leaves, read = _added(plan.leaves, row_gains(plan, bits)[1])
    return leaves + (variances.row or 0) * len(plan.layout.leaf_bits), read


def _turns(plan: Plan, variances: RowVariances, bits: IntArray) -> float:
    """What turns of tables add, as if tables that begin with one bit had independent masks."""
    turns = plan.turns
    if turns is None or plan.forms.rotation is None:
        return 0.0
    count = turns.own.sum(axis=1) + turns.common
    each = variances.turn_keys[turns.selector] + variances.turn_rounding
    left = variances.product_left * bits[plan.forms.rotation.bits]
    first = turns.first_norms**2 * variances.leaf[first_leaves(turns)][:, turns.begun.bit]
    found = float(count @ (each + left) + first.sum()) + turns.masked * zero_noise(variances.secret)
    return found + sum(_tree(turns, number, variances, bits) for number in range(len(turns.trees)))


def _tree(turns: Turns, number: int, variances: RowVariances, bits: IntArray) -> float:
    """Of the path that a row takes."""
    tree, asked = turns.trees[number], turns.asked[number]
    node, found = 0, 0.0
    while tree.bits[node] != LEAF:
        is_on = int(bits[tree.bits[node]])
        if tree.moves[node]:
            found += variances.turn_keys[asked[node]] + variances.turn_rounding + is_on * variances.product_left
        node = int(tree.high[node]) if is_on else node + 1
    return len(tree.neurons) * float(found)


def row_rounding(plan: Plan, bits: IntArray) -> FloatArray:
    """By how much rounded weights move each slot of a row, shape (slots,)."""
    _, gains = row_gains(plan, bits)
    rounding = plan.rounding
    found: FloatArray = (gains[rounding.form] * bits[rounding.source]) @ rounding.weight
    return found


def row_gains(plan: Plan, bits: IntArray) -> tuple[FloatArray, FloatArray]:
    """Factors with which each product's noise, and the value of each form, enter the answer of a row of bits."""
    forms = plan.forms
    entering, gains = np.zeros(forms.products), np.zeros(forms.products + 1)
    gains[forms.root] = 1.0
    for form in range(forms.root, -1, -1):
        if form < forms.root:
            gains[form] = entering[form] * bits[forms.bit[form]]
        if gains[form]:
            part = forms.terms(form)
            entering[forms.term_product[part]] += forms.term_sign[part] * gains[form]
    return entering, gains


def _added(weights: Weights, gains: FloatArray) -> tuple[IntArray, FloatArray]:
    """Sources that a row reads, and by which weights, shape (sources, slots)."""
    sources, place = np.unique(weights.source, return_inverse=True)
    total = np.zeros((len(sources), weights.weight.shape[1]))
    np.add.at(total, place.ravel(), gains[weights.form, None] * weights.weight)
    kept = total.any(axis=1)
    return sources[kept], total[kept]


def _run_variance(
    run: Run, variances: RowVariances, leaves: IntArray, weights: FloatArray, shift: IntArray
) -> FloatArray:
    """Of each slot, for leaves of one run, whose errors are read so many coefficients further on."""
    slots = weights.shape[1]
    found = np.empty(slots)
    for slot in range(slots):
        # Coefficient `slot` of weights · error, as a linear form of the error's coefficients.
        functional = np.zeros((len(leaves), RING_SIZE))
        place = shift[:, None] + slot - np.arange(slots)
        place = np.broadcast_to(place, weights.shape)
        functional[np.arange(len(leaves))[:, None], place % RING_SIZE] = np.where(place < 0, -1.0, 1.0) * weights
        found[slot] = _followed_back(run, variances, leaves, functional)
    return found


def _followed_back(run: Run, variances: RowVariances, nodes: IntArray, functional: FloatArray) -> float:
    """Variance of the sum of functional[i] · error of leaf nodes[i], of some leaves: by the transpose of each level."""
    total = 0.0
    for level in range(run.depth - 1, -1, -1):
        step = 1 << level
        key = run.shift + level
        is_odd = nodes >= step
        parents, place = np.unique(np.where(is_odd, nodes - step, nodes), return_inverse=True)
        even, odd = np.zeros((2, len(parents), RING_SIZE))
        even[place[~is_odd]] = functional[~is_odd]
        odd[place[is_odd]] = _times_power(functional[is_odd], step << run.shift)
        difference = (even - odd) * (parents + step < run.count)[:, None]
        total += variances.of_key(key) * float(np.sum(difference**2))
        target, is_same = targets(key)
        functional = even + odd + difference[:, target] * np.where(is_same, 1.0, -1.0)
        nodes = parents
    return total + UPLOADED * float(np.sum(functional**2))


def _times_power(polynomials: FloatArray, power: int) -> FloatArray:
    """Times X^power, for a power of 0 … N."""
    return np.concatenate([-polynomials[:, RING_SIZE - power :], polynomials[:, : RING_SIZE - power]], axis=1)
