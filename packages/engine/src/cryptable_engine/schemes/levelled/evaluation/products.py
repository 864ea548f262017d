"""The products of a plan, step by step, and the form of the answer."""

from __future__ import annotations

import numpy as np

from cryptable_engine.circuit.circuit import IntArray
from cryptable_engine.schemes.levelled.evaluation.decomposition import transformed_digits
from cryptable_engine.schemes.levelled.evaluation.expansion import switch, take
from cryptable_engine.schemes.levelled.evaluation.held_leaves import HeldLeaves
from cryptable_engine.schemes.levelled.evaluation.product_memory import chunks, places_of
from cryptable_engine.schemes.levelled.evaluation.reads import Reads
from cryptable_engine.schemes.levelled.evaluation.server_keys import ServerKeys
from cryptable_engine.schemes.levelled.evaluation.transforms import (
    HALF,
    ComplexArray,
    FloatArray,
    centre,
    doubles,
    fold,
    forward,
    inverse,
)
from cryptable_engine.schemes.levelled.evaluation.workspace import Workspace
from cryptable_engine.schemes.levelled.plans.plan import Plan

_READ_AT_ONCE = 32
"""Leaves that a form of a streamed plan reads."""


class Products:
    """A plan made ready: what each form adds up, with the transforms of its weights.

    Attributes:
        places: how many products a `Workspace` holds at once.
        held: what a `Workspace` has of leaves, if the plan is streamed.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.held = HeldLeaves(plan.layout) if plan.is_streamed else None
        forms = plan.forms
        self._reads = reads = Reads(plan)
        self._spectra = np.concatenate(
            [np.empty((0, HALF), np.complex128)]
            + [self._transform(first, min(first + 256, reads.ready)) for first in range(0, reads.ready, 256)]
        )
        place, self.places = places_of(forms)
        self._place = place.tolist()
        self._terms = [
            list(zip(place[forms.term_product[part]].tolist(), forms.term_sign[part].tolist(), strict=True))
            for part in (forms.terms(form) for form in range(forms.products + 1))
        ]

    def _transform(self, first: int, last: int) -> ComplexArray:
        """Of the weights' polynomials of reads `first` … `last` − 1."""
        return forward(fold(self._reads.polynomials(first, last)))

    def evaluate(self, space: Workspace, keys: ServerKeys) -> ComplexArray:
        """The answer's ciphertext, folded, shape (2, N/2), from what `space` holds of leaves and switched ones."""
        plan = self._plan
        for chunk in chunks(plan.forms):
            self._multiply(chunk, space, keys)
        answer: ComplexArray = self._forms(range(plan.forms.root, plan.forms.root + 1), space, keys)[0].copy()
        return answer

    def _forms(self, forms: range, space: Workspace, keys: ServerKeys) -> ComplexArray:
        """Folded ciphertexts of forms, centred: shape (len(forms), 2, N/2)."""
        totals, spare = space.pairs[: len(forms)], space.rows[0]
        for total, form in zip(totals, forms, strict=True):
            total.fill(0.0)
            for product, sign in self._terms[form]:
                (np.add if sign > 0 else np.subtract)(total, space.products[product], out=total)
            reads = range(self._reads.first[form], self._reads.first[form + 1])
            for start in range(reads.start, reads.stop, _READ_AT_ONCE):
                some = reads[start - reads.start : start - reads.start + _READ_AT_ONCE]
                for read, leaf in zip(some, self._read(some, space, keys), strict=True):
                    spectrum = self._spectra[read] if read < len(self._spectra) else self._transform(read, read + 1)[0]
                    np.multiply(leaf, spectrum, out=spare)
                    np.add(total, spare, out=total)
        folded = inverse(totals)
        constant: FloatArray = self._plan.constant[forms.start : forms.stop]
        folded[:, 1, : constant.shape[1]] += constant  # the real parts of the first N/2 coefficients
        centre(doubles(folded), doubles(space.more_pairs[: len(forms)]))
        return folded

    def _read(self, reads: range, space: Workspace, keys: ServerKeys) -> list[ComplexArray]:
        """Transforms of the leaves and placed polynomials that these read, each of shape (2, N/2)."""
        source: IntArray = self._reads.source[reads.start : reads.stop]
        if self.held is None:
            return [space.leaves[each] for each in source.tolist()]
        is_leaf = source < len(self.held.node)
        made = np.empty((int(is_leaf.sum()), 2, HALF), np.complex128)
        take(source[is_leaf], self.held, space.leaves, keys, made, space.beside)
        leaves, behind = iter(forward(made)), self.held.count - len(self.held.node)
        return [
            next(leaves) if leaf else space.leaves[each + behind]
            for each, leaf in zip(source.tolist(), is_leaf.tolist(), strict=True)
        ]

    def _selectors(
        self, products: range, space: Workspace, keys: ServerKeys
    ) -> tuple[ComplexArray, ComplexArray, list[int]]:
        """GGSW ciphertexts of products' bits: rows for masks and for bodies, and where each product's begin."""
        levels = self._plan.layout.gadget.levels
        selectors = self._plan.selector[products.start : products.stop]
        if self.held is None:
            return space.switched, space.leaves, (selectors * levels).tolist()
        at_hand, index = np.unique(selectors, return_inverse=True)
        count = len(at_hand) * levels
        ready, switched = space.ready[:count], space.switched[:count]
        wanted = (at_hand[:, None] * levels + np.arange(levels)).ravel()
        take(wanted, self.held, space.leaves, keys, ready, space.beside)
        switch(ready, keys, switched, space)
        return switched, ready, (index.ravel() * levels).tolist()

    def _multiply(self, products: range, space: Workspace, keys: ServerKeys) -> None:
        """External products: in the place of p, the GGSW ciphertext of p's bit times p's form."""
        gadget = self._plan.layout.gadget
        levels, count = gadget.levels, len(products)
        switched, leaves, begin = self._selectors(products, space, keys)
        folded = self._forms(products, space, keys)
        memory = space.digits[: levels * 2 * count].reshape(levels, count, 2, HALF)
        digits = transformed_digits(folded, gadget, memory)
        masks, bodies = space.rows[:levels], space.rows[levels : 2 * levels]
        for index, (product, first) in enumerate(zip(products, begin, strict=True)):
            np.multiply(digits[:, index, 0, None], switched[first : first + levels], out=masks)
            np.multiply(digits[:, index, 1, None], leaves[first : first + levels], out=bodies)
            np.add(masks, bodies, out=masks)
            np.add.reduce(masks, axis=0, out=space.products[self._place[product]])
