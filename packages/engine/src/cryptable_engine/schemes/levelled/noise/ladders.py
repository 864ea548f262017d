"""What rows read where no product reads another: by how many bits of each thermometer are on, and not bit by bit.

A row reads, of each ladder, the sum of its rungs up to some one (plans/ladders.py). The squared norm of a sum of
vectors, one of each of several sets, is at most the greatest squared norm in each set, and twice the greatest inner
product of each two sets, added up: all of which are looked at (docs/decisions/0051-ladders.md).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from cryptable_engine.circuit.circuit import IntArray
from cryptable_engine.schemes.levelled.plans.ladders import Ladder, places_of
from cryptable_engine.schemes.levelled.plans.plan import Plan
from cryptable_engine.schemes.levelled.plans.weights import Weights

FloatArray = npt.NDArray[np.float64]


def read_by_ladders(plan: Plan, found: tuple[Ladder, ...], prices: FloatArray) -> float:
    """Of what any row reads.

    Args:
        plan: of forms with these ladders.
        found: them, the answer's own form last.
        prices: of each leaf, and then each place, for a weight of 1.
    """
    layout = plan.layout
    leaves = len(layout.leaf_bits)
    bits = np.concatenate([layout.leaf_bits, np.array(layout.placed, np.int64)])
    joined = Weights(
        np.concatenate([plan.leaves.form, plan.places.form]),
        np.concatenate([plan.leaves.source, plan.places.source + leaves]),
        np.concatenate([plan.leaves.weight, plan.places.weight]),
    )
    last = len(found) - 1
    own = [np.zeros(ladder.rungs.size) for ladder in found]
    """Of each rung: squared norms, and twice the inner product with what the answer's own form reads."""
    crossed: dict[tuple[int, int], FloatArray] = {}
    for parts in _by_group(plan, found, joined, bits):
        sums = {}
        for number, (sources, weights) in parts.items():
            scaled = weights * np.sqrt(prices[sources])[:, None]
            sums[number] = sources, scaled
            own[number] += np.sum(scaled**2, axis=(1, 2))
        for number, (sources, weights) in sums.items():
            for other, (theirs, others) in sums.items():
                if number < other:
                    _, mine, yours = np.intersect1d(sources, theirs, assume_unique=True, return_indices=True)
                    inner = np.tensordot(weights[:, mine], others[:, yours], axes=((1, 2), (1, 2)))
                    if other == last:
                        own[number] += 2 * inner[:, 0]
                    else:
                        crossed[number, other] = crossed.get((number, other), 0.0) + inner
    total = float(own[last][0]) + sum(float(each.max(initial=0.0)) for each in own[:last])
    return total + 2 * sum(float(each.max(initial=0.0)) for each in crossed.values())


def rounding_of(plan: Plan, found: tuple[Ladder, ...]) -> FloatArray:
    """How far rounded weights move each slot of any row at most, shape (slots,)."""
    slots = plan.layout.slots
    low, high = ([np.zeros((ladder.rungs.size, slots)) for ladder in found] for _ in range(2))
    elements = np.arange(plan.forms.inputs)
    for parts in _by_group(plan, found, plan.rounding, elements):
        for number, (_, weights) in parts.items():
            along = weights.cumsum(axis=1)  # sources are bits of one thermometer, in their order
            low[number] += np.minimum(along.min(axis=1), 0.0)
            high[number] += np.maximum(along.max(axis=1), 0.0)
    greatest: FloatArray = np.maximum(
        -np.sum([each.min(axis=0, initial=0.0) for each in low], axis=0),
        np.sum([each.max(axis=0, initial=0.0) for each in high], axis=0),
    )
    return greatest


def _by_group(
    plan: Plan, found: tuple[Ladder, ...], weights: Weights, bits: IntArray
) -> Iterator[dict[int, tuple[IntArray, FloatArray]]]:
    """For each thermometer of the input, by ladder, the sources that are read and the sums of weights up to each rung.

    Args:
        plan: of forms with these ladders.
        found: them.
        weights: of sources.
        bits: of which input element each source is.

    Yields:
        By number of the ladder, sources in their order, and an array of shape (rungs, sources, slots).
    """
    ladder_of, rung_of = places_of(plan.forms, found)
    sign_of = np.empty_like(rung_of)
    for ladder in found:
        sign_of[ladder.rungs] = ladder.signs
    group = plan.forms.group[bits[weights.source]]
    order = np.lexsort((weights.source, ladder_of[weights.form], group))
    for rows in _split(order, group):
        parts = {}
        for each in _split(rows, ladder_of[weights.form]):
            form = weights.form[each]
            number = int(ladder_of[form[0]])
            sources, place = np.unique(weights.source[each], return_inverse=True)
            dense = np.zeros((found[number].rungs.size, sources.size, weights.weight.shape[1]))
            dense[rung_of[form], place.ravel()] = sign_of[form][:, None] * weights.weight[each]
            parts[number] = sources, dense.cumsum(axis=0)
        yield parts


def _split(rows: IntArray, keys: IntArray) -> list[IntArray]:
    """Runs of rows of one key."""
    if not rows.size:
        return []
    return np.split(rows, np.flatnonzero(np.diff(keys[rows])) + 1)
