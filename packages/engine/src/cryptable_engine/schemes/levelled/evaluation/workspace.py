"""Workspace: the memory of one evaluation, made once for a plan and a thread."""

from __future__ import annotations

import numpy as np
from cryptable_protocol.schemes.levelled.keyset import UNIVERSAL

from cryptable_engine.schemes.levelled.evaluation.transforms import HALF, ComplexArray
from cryptable_engine.schemes.levelled.plans.plan import Plan

CHUNK = 8
"""Ciphertexts that are worked on at once: with their digits they fit into a core's cache."""


def _memory(*shape: int) -> ComplexArray:
    return np.empty((*shape, HALF), np.complex128)


class Workspace:
    """Arrays of folded polynomials and transforms, whose sizes a plan fixes: no message of a stranger does.

    Attributes:
        leaves: expanded leaves, then placed polynomials, shape (leaves + placed, 2, N/2): folded, then transformed.
        switched: switched leaves of selectors, shape (selector leaves, 2, N/2), transformed.
        products: shape (products, 2, N/2), transformed.
        tables: of neurons, shape (neurons, 2, N/2), folded.
    """

    def __init__(self, plan: Plan) -> None:
        layout = plan.layout
        levels = max(2 * layout.gadget.levels, UNIVERSAL.switch.levels, *(g.levels for g in UNIVERSAL.automorphisms))
        self.leaves = _memory(len(layout.leaf_bits) + layout.placed_polynomials, 2)
        self.switched = _memory(layout.selector_leaves, 2)
        self.products = _memory(plan.forms.products, 2)
        self.tables = _memory(0 if plan.turns is None else plan.turns.neurons, 2)
        # Scratch of a chunk.
        self.digits = _memory(levels * CHUNK)
        self.pairs = _memory(CHUNK, 2)
        self.more_pairs = _memory(CHUNK, 2)
        self.singles = _memory(CHUNK)
        self.parts = _memory(2, CHUNK)
        self.more_parts = _memory(2, CHUNK)
        self.rows = _memory(2 * layout.gadget.levels + 2, 2)
