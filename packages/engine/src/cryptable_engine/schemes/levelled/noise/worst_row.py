"""A bound, over all honest rows, of what noise and rounded weights do to an answer."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cryptable_engine.circuit.circuit import IntArray
from cryptable_engine.schemes.levelled.noise.occurrences import begun_alike, coherence, occurrences
from cryptable_engine.schemes.levelled.noise.paths import MOST_STEPS, Component, Way, components
from cryptable_engine.schemes.levelled.noise.reading import Reading, Reads, added, usual
from cryptable_engine.schemes.levelled.noise.turning import Turning, turning
from cryptable_engine.schemes.levelled.noise.variances import RowVariances
from cryptable_engine.schemes.levelled.plans.plan import Plan

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class WorstRow:
    """No honest row has more.

    Attributes:
        variance: of a slot's phase, but for the answer's own rounding.
        products: the part that products add to it.
        gain: the sum of the squared gains of products.
        squares: for each of `variances.sources`, the sum over selectors of the square of that sum over the selector's
            products, times the source's part of their noise; shape (13,).
        most: the greatest of those sums.
        rounding: how far the rounding of weights moves each slot, shape (slots,).
    """

    variance: float
    products: float
    gain: float
    squares: FloatArray
    most: float
    rounding: FloatArray


@dataclass(frozen=True, eq=False)
class _Way:
    """Products that enter, their squared gains, what of their noise costs; and what is read besides."""

    products: IntArray
    gains: FloatArray
    cost: float
    reads: Reads


@dataclass(frozen=True, eq=False)
class _Prices:
    """Of products, for a squared gain of 1.

    `times` counts those with correlated noise, `entering` is the cost of each, `on` is added where its bit is on.
    """

    times: IntArray
    entering: FloatArray
    on: FloatArray

    def way(self, products: IntArray, factors: FloatArray, on: IntArray, reads: Reads) -> _Way:
        gains = self.times[products] * factors**2
        return _Way(products, gains, float(gains @ (self.entering[products] + on * self.on[products])), reads)


def worst_row(plan: Plan, variances: RowVariances, *, most_steps: int = MOST_STEPS) -> WorstRow:
    """The bound for a plan.

    Args:
        plan: of a circuit.
        variances: of its layout.
        most_steps: through a component of products; where there are more, all its products are taken to be on.
    """
    forms = plan.forms
    prices = _Prices(
        coherence(plan) + begun_alike(plan)[0],
        variances.product_keys[plan.selector] + variances.product_rounding,
        np.full(forms.products, variances.product_left),
    )
    reading = Reading(plan, variances)
    remainder = [(1.0, reading.forms[forms.root])]
    parts: list[list[_Way]] = []
    for component in components(forms, most_steps):
        if component.ways is None:
            parts.append([_all_on(plan, component, reading, prices)])
            continue
        read = [
            added((float(factor), reading.forms[product]) for product, factor in zip(*_on(way), strict=True))
            for way in component.ways
        ]
        base = usual(read)
        remainder.append((1.0, base))
        parts.append(
            [
                prices.way(way.products, way.factors.astype(np.float64), way.on, added([(1.0, reads), (-1.0, base)]))
                for way, reads in zip(component.ways, read, strict=True)
            ]
        )
    none = np.empty(0, np.int64)
    parts.append([prices.way(none, np.empty(0), none, added(remainder))])
    return _bound(plan, parts, reading, variances)


def _on(way: Way) -> tuple[list[int], list[int]]:
    """Products whose bits are on, so that what their forms read enters, and factors."""
    on = way.on > 0
    return way.products[on].tolist(), way.factors[on].tolist()


def _bound(plan: Plan, parts: list[list[_Way]], reading: Reading, variances: RowVariances) -> WorstRow:
    shared = _shared(parts)
    greatest = np.zeros(plan.forms.products)
    for way in (way for part in parts for way in part):
        np.maximum.at(greatest, way.products, way.gains)
    turns = turning(plan, variances)
    by_selector: FloatArray = np.bincount(plan.selector, greatest, len(plan.parameters.selectors)).astype(np.float64)
    if turns is not None:
        by_selector = by_selector + turns.gains
    weights = (by_selector * variances.sources)[:, plan.selector]

    def most(cost: Callable[[_Way], float]) -> float:
        return sum(max(map(cost, part)) for part in parts)

    found = WorstRow(
        variance=most(lambda way: way.cost + reading.variance(way.reads, shared)),
        products=most(lambda way: way.cost),
        gain=most(lambda way: float(way.gains.sum())),
        squares=np.sum(
            [np.max([weights[:, way.products] @ way.gains for way in part], axis=0) for part in parts], axis=0
        ),
        most=float(by_selector.max(initial=0.0)),
        rounding=np.sum([np.max([reading.rounding(way.reads) for way in part], axis=0) for part in parts], axis=0),
    )
    if turns is None:
        return found
    read = most(lambda way: reading.variance(way.reads, shared))
    return _with_turns(found, turns, read, (by_selector * turns.gains) @ variances.turn_sources.T)


def _with_turns(worst: WorstRow, turns: Turning, read: float, squares: FloatArray) -> WorstRow:
    """Forms and first turns may read the same leaf: deviations add up."""
    return WorstRow(
        variance=worst.variance + turns.products + turns.first + 2 * math.sqrt(read * turns.first),
        products=worst.products + turns.products,
        gain=worst.gain + float(turns.gains.sum()),
        squares=worst.squares + squares,
        most=worst.most,
        rounding=worst.rounding + turns.left,
    )


def _all_on(plan: Plan, component: Component, reading: Reading, prices: _Prices) -> _Way:
    """A way that costs no less than any: each product and each weight as often as it can occur with one sign."""
    members = component.members
    up, down = occurrences(plan.forms, members, component.start)
    positive: Reads = {}
    negative: Reads = {}
    for product, more, less in zip(members.tolist(), up, down, strict=True):
        for source, weight in reading.forms[product].items():
            above, below = np.maximum(weight, 0), np.maximum(-weight, 0)
            positive[source] = positive.get(source, 0.0) + more * above + less * below
            negative[source] = negative.get(source, 0.0) + more * below + less * above
    reads = {source: np.maximum(positive[source], negative[source]) for source in positive}
    return prices.way(members, np.maximum(up, down), np.ones(len(members), np.int64), reads)


def _shared(parts: Iterable[list[_Way]]) -> dict[int, int]:
    """How many parts may read each source: (x + … + y)² ≤ n (x² + … + y²)."""
    count: dict[int, int] = {}
    for part in parts:
        for source in {source for way in part for source in way.reads}:
            count[source] = count.get(source, 0) + 1
    return count
