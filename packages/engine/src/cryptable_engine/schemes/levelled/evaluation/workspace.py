"""Workspace: the memory of one evaluation, made once for a plan and a thread."""

from __future__ import annotations

import numpy as np
from cryptable_protocol.schemes.levelled.keyset import UNIVERSAL

from cryptable_engine.schemes.levelled.evaluation.held_leaves import HeldLeaves
from cryptable_engine.schemes.levelled.evaluation.product_memory import CHUNK
from cryptable_engine.schemes.levelled.evaluation.transforms import HALF, ComplexArray
from cryptable_engine.schemes.levelled.plans.plan import Plan


def _memory(*shape: int) -> ComplexArray:
    return np.empty((*shape, HALF), np.complex128)


class Scratch:
    """What is written and read again while a chunk is worked on.

    Args:
        plan: made ready.
    """

    def __init__(self, plan: Plan) -> None:
        levels = plan.layout.gadget.levels
        most = max(2 * levels, UNIVERSAL.switch.levels, *(gadget.levels for gadget in UNIVERSAL.automorphisms))
        self.digits = _memory(most * CHUNK)
        self.pairs = _memory(CHUNK, 2)
        self.more_pairs = _memory(CHUNK, 2)
        self.singles = _memory(CHUNK)
        self.parts = _memory(2, CHUNK)
        self.more_parts = _memory(2, CHUNK)
        self.rows = _memory(2 * levels + 2, 2)


class Workspace(Scratch):
    """Arrays of folded polynomials and transforms, whose sizes a plan fixes: no message of a stranger does.

    Attributes:
        leaves: expanded leaves, then placed polynomials, shape (leaves + placed, 2, N/2): folded, then transformed;
            of a streamed plan, nodes of `HeldLeaves` instead of leaves, which stay folded.
        switched: switched leaves of selectors, shape (selector leaves, 2, N/2), transformed; of a streamed plan, those
            of the selectors at hand.
        ready: of a streamed plan, transformed leaves of the selectors at hand, as many.
        products: transformed, each in its place (`product_memory`), shape (places, 2, N/2).
        tables: of neurons, shape (neurons, 2, N/2), folded.
        beside: scratch for leaves that are read while a chunk is worked on.

    Args:
        plan: made ready.
        places: of products.
    """

    def __init__(self, plan: Plan, places: int) -> None:
        super().__init__(plan)
        layout, is_streamed = plan.layout, plan.is_streamed
        held = HeldLeaves(layout).count if is_streamed else len(layout.leaf_bits)
        self.leaves = _memory(held + layout.placed_polynomials, 2)
        at_hand = CHUNK * layout.gadget.levels
        self.switched = _memory(at_hand if is_streamed else layout.selector_leaves, 2)
        self.ready = _memory(at_hand if is_streamed else 0, 2)
        self.products = _memory(places, 2)
        self.tables = _memory(0 if plan.turns is None else plan.turns.neurons, 2)
        self.beside = Scratch(plan) if is_streamed else self
