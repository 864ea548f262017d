"""Which trees are pooled to one polynomial and which are taken root first, by price: a short search, always the same.

A polynomial of many trees needs fewer products, for terms with a common bit are one; a tree taken root first reads the
product of its lower branch twice and computes it once, and chooses selectors well where hardly any bit is shared.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from cryptable.planner.levelled.polynomials import Expansion, Polynomial, add_to, horner
from cryptable.planner.levelled.products import Form, Products
from cryptable.planner.levelled.trees import BitTree, RootFirst

_BONUSES = (0.0, 0.5, 1.0, 2.0)
_MOST_TERMS = 512
"""Of a tree that may be pooled: more would take longer to expand than pooling could save."""
_MOST_POOLED_TERMS = 100_000
SEARCH_WORK = 150_000
"""Terms and products that the search looks at: a third of a second."""
_STEPS = 8
"""For each tree, at most: the search of a small model ends sooner."""
_WARMTH = 0.003
"""Of the price: by how much a step may be more expensive at the start of the search."""


class SearchPrices(Protocol):
    """What the search weighs, in one unit."""

    @property
    def selector(self) -> float:
        """Of a bit that products multiply by, with all its leaves."""

    @property
    def product(self) -> float:
        """Of a product with its form."""


@dataclass(frozen=True, eq=False)
class FoundPlan:
    """Scores as one form of the products that it reaches; the other products were only tried."""

    products: Products
    scores: Form
    pooled: int
    """Trees that are parts of one polynomial."""


@dataclass(frozen=True)
class _State:
    pooled: frozenset[int]
    bonus: float
    preference: tuple[tuple[int, float], ...] = ()


class _Search:
    def __init__(self, trees: Sequence[BitTree], feature_of: Sequence[int], outputs: int, prices: SearchPrices) -> None:
        self.trees, self.prices, self.work = trees, prices, 0
        self._feature_of, self._outputs = feature_of, outputs
        expansion = Expansion(feature_of, _MOST_TERMS)
        self.polynomials = [expansion.expand(tree) for tree in trees]
        self.products = Products(feature_of, outputs)
        self._root_first = RootFirst(self.products)
        self._reached: dict[int, frozenset[int]] = {}

    def price(self, state: _State) -> float:
        """Of the plan of a state."""
        alone = [index for index in range(len(self.trees)) if index not in state.pooled]
        found: set[int] = set()
        self.work += len(self.trees)
        for index in alone:
            found |= self._alone(index)
            self.work += len(self._reached[index])
        selected = {self.products.selectors[number] for number in found}
        form = self._pool(state, self.products, selected)
        found |= self.products.reached([self.products.normal(form)], found)
        self.work += len(found)
        return self.prices.selector * len(selected) + self.prices.product * len(found)

    def plan(self, state: _State) -> FoundPlan:
        """The plan of a state, among no other products."""
        products = Products(self._feature_of, self._outputs)
        scores, root_first = Form(), RootFirst(products)
        for index, tree in enumerate(self.trees):
            if index not in state.pooled:
                scores.add(root_first.form(tree))
        selected = {products.selectors[number] for number in products.reached([scores])}
        scores.add(self._pool(state, products, selected))
        return FoundPlan(products, products.normal(scores), len(state.pooled))

    def _alone(self, index: int) -> frozenset[int]:
        if index not in self._reached:
            form = self.products.normal(self._root_first.form(self.trees[index]))
            self._reached[index] = frozenset(self.products.reached([form]))
        return self._reached[index]

    def _pool(self, state: _State, products: Products, selected: set[int]) -> Form:
        pool: Polynomial = {}
        for index in sorted(state.pooled):
            add_to(pool, self.polynomials[index] or {})
        return horner(pool, products, selected, state.bonus, dict(state.preference), self._visit)

    def _visit(self, terms: int) -> None:
        self.work += terms


def find_plan(
    trees: Sequence[BitTree],
    feature_of: Sequence[int],
    outputs: int,
    prices: SearchPrices,
    *,
    work: int = SEARCH_WORK,
    progress: Callable[[float], None] | None = None,
) -> FoundPlan:
    """The cheapest plan of some: all trees pooled, none, and what a search of so much work finds from the better.

    The search takes the same steps wherever and whenever it runs.

    Args:
        trees: of bits.
        feature_of: feature of each bit.
        outputs: scores.
        prices: by which plans are compared.
        work: how long the search is.
        progress: told the fraction done.
    """
    search = _Search(trees, feature_of, outputs, prices)
    able = [index for index, polynomial in enumerate(search.polynomials) if polynomial is not None]
    states = [_State(frozenset(), 0.0)]
    if sum(len(search.polynomials[index] or ()) for index in able) <= _MOST_POOLED_TERMS:
        states += [_State(frozenset(able), bonus) for bonus in _BONUSES]
    priced = [(search.price(state), number) for number, state in enumerate(states)]
    least, number = min(priced)
    best = current = states[number]
    price, begun = least, search.work
    bits = sorted({bit for index in able for term in search.polynomials[index] or () for bit in term})
    draw = random.Random(0).random  # noqa: S311  (which steps a search tries is no secret)
    for step in range(most := _STEPS * len(able) if len(states) > 1 else 0):
        done = max((search.work - begun) / work, step / most) if work else 1.0
        if done >= 1 or least <= 0:  # where trees cancel one another out, nothing is cheaper
            break
        if progress is not None:
            progress(done)
        tried = _neighbour(current, able, bits, draw)
        cost = search.price(tried)
        warmth = _WARMTH * least * max(0.02, 1 - done)
        if cost <= price or draw() < math.exp((price - cost) / warmth):
            current, price = tried, cost
        if cost < least:
            best, least = tried, cost
    return search.plan(best)


def _neighbour(state: _State, able: Sequence[int], bits: Sequence[int], draw: Callable[[], float]) -> _State:
    """A tree or two in or out of the pool, or other preferences of up to four bits."""
    if draw() < 0.5 or not bits:
        pooled = set(state.pooled)
        for _ in range(1 + int(draw() < 0.3)):
            pooled ^= {able[int(draw() * len(able))]}
        return replace(state, pooled=frozenset(pooled))
    preference = dict(state.preference)
    for _ in range(1 << int(draw() * 3)):
        preference[bits[int(draw() * len(bits))]] = 8 * draw() - 4
    return replace(state, preference=tuple(sorted(preference.items())))
