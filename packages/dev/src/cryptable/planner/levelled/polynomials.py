"""Polynomials in bits: what a tree is, and what of several trees adds up; taken apart by the bits that most terms have.

A term is the increasing tuple of its bits, at most one of each thermometer: of two, the higher one is their product.
Its coefficient is an integer for each output that it adds to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from cryptable.planner.levelled.products import Form, Products
from cryptable.planner.levelled.trees import BitTree, Leaf, Split

Term = tuple[int, ...]
Polynomial = dict[Term, dict[int, int]]


class Expansion:
    """Expands trees, reduced within thermometers; of subtrees that several trees have, once.

    Args:
        feature_of: feature of each bit.
        most_terms: of a subtree, above which a tree is left as it is.
    """

    def __init__(self, feature_of: Sequence[int], most_terms: int) -> None:
        self._feature_of, self._most_terms = feature_of, most_terms
        self._known: dict[int, tuple[BitTree, Polynomial | None]] = {}

    def expand(self, tree: BitTree) -> Polynomial | None:
        """The tree's polynomial, not to be changed; None where it has too many terms."""
        if isinstance(tree, Leaf):
            return {(): tree.values} if tree.values else {}
        if id(tree) not in self._known:
            self._known[id(tree)] = tree, self._expand(tree)
        return self._known[id(tree)][1]

    def _expand(self, tree: Split) -> Polynomial | None:
        low, high = self.expand(tree.low), self.expand(tree.high)
        if low is None or high is None:
            return None
        total, difference = dict(low), dict(high)
        add_to(difference, low, -1)
        add_to(total, _times(tree.bit, difference, self._feature_of))
        return total if len(total) <= self._most_terms else None


def add_to(total: Polynomial, polynomial: Polynomial, factor: int = 1) -> None:
    """Add a multiple, in place; coefficients are never changed, for several polynomials may hold them."""
    for term, coefficient in polynomial.items():
        known = total.get(term)
        if known is None:
            total[term] = coefficient if factor == 1 else {o: factor * w for o, w in coefficient.items()}
            continue
        added = dict(known)
        for output, weight in coefficient.items():
            weight = added.get(output, 0) + factor * weight
            if weight:
                added[output] = weight
            else:
                added.pop(output, None)
        if added:
            total[term] = added
        else:
            del total[term]


def _times(bit: int, polynomial: Polynomial, feature_of: Sequence[int]) -> Polynomial:
    product: Polynomial = {}
    same = feature_of[bit]
    for term, coefficient in polynomial.items():
        highest = max((each for each in term if feature_of[each] == same), default=-1)
        if highest < bit:
            term = tuple(sorted([*(each for each in term if each != highest), bit]))
        add_to(product, {term: coefficient})
    return product


def horner(
    polynomial: Polynomial,
    products: Products,
    selected: set[int],
    bonus: float,
    preference: Mapping[int, float],
    visit: Callable[[int], None],
) -> Form:
    """The polynomial as a form: the bit that most terms have is taken out of them first, and so on within and without.

    Args:
        polynomial: reduced within thermometers.
        products: in which products are looked up; it grows.
        selected: bits that are selectors already; it grows.
        bonus: terms that it counts for that a bit is a selector already.
        preference: terms that single bits count for besides.
        visit: told how many terms were looked at.
    """
    form, outputs = Form(), products.outputs
    left: set[Term] = set()
    by_bit: dict[int, list[Term]] = {}
    for term, coefficient in polynomial.items():
        if len(term) > 1:
            left.add(term)
            for bit in term:
                by_bit.setdefault(bit, []).append(term)
        else:
            base = (term[0] + 1) * outputs if term else 0
            for output, weight in coefficient.items():
                form.weights[base + output] = weight
    visit(len(polynomial))
    count = {bit: len(terms) for bit, terms in sorted(by_bit.items())}
    while left:
        if len(left) == 1:
            (term,) = left
            bit = next((each for each in term if each in selected), term[0])
        else:
            bit = max(
                count, key=lambda each: count[each] + preference.get(each, 0.0) + (bonus if each in selected else 0.0)
            )
        selected.add(bit)
        inner: Polynomial = {}
        for term in by_bit[bit]:
            if term in left:
                left.remove(term)
                inner[tuple(each for each in term if each != bit)] = polynomial[term]
                for each in term:
                    count[each] -= 1
                    if not count[each]:
                        del count[each]
        form.add(products.times(bit, horner(inner, products, selected, bonus, preference, visit)))
    return form
