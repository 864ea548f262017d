"""What the forms of a plan read from leaves and places: a polynomial of weights for each ciphertext that is read."""

from __future__ import annotations

import numpy as np
from cryptable_protocol.schemes.levelled.keyset import RING_SIZE

from cryptable_engine.circuit.circuit import IntArray
from cryptable_engine.schemes.levelled.evaluation.transforms import FloatArray
from cryptable_engine.schemes.levelled.plans.plan import Plan

SPECTRA_BYTES = 128 << 20
"""Of weights' transforms that are kept ready; in larger models those beyond are computed for each row."""


class Reads:
    """Reads of form f are `first[f]` … `first[f + 1]` − 1, each of a ciphertext times a polynomial.

    Attributes:
        first: shape (products + 2,).
        source: ciphertext that is read: a leaf, or, behind them, a placed polynomial.
        weight_first: where among the next two a read's begin, shape (reads + 1,).
        weight_at: coefficients of the polynomials that are not zero,
        weight: and what is added to them.
        ready: of how many, from the first on, transforms are to be kept.
    """

    def __init__(self, plan: Plan) -> None:
        layout = plan.layout
        room, slots, leaves, own = layout.room, layout.slots, len(layout.leaf_bits), len(plan.leaves.form)
        # Bits that a form reads from one placed polynomial are read by one product with one polynomial of weights.
        key = plan.places.form * (layout.placed_polynomials + 1) + plan.places.source // room
        kept, group = np.unique(key, return_inverse=True)
        form, source = np.divmod(kept, layout.placed_polynomials + 1)
        form = np.concatenate([plan.leaves.form, form])
        source = np.concatenate([plan.leaves.source, source + leaves])
        order = np.lexsort((source, form))
        self.source: IntArray = source[order]
        self.first = np.searchsorted(form[order], np.arange(plan.forms.products + 2))
        # The weight of slot r at coefficient r − at, so that its product with X^at stands in the slot.
        at = np.concatenate([np.zeros(own, np.int64), plan.places.source % room * slots])
        target = np.arange(slots) - at[:, None]
        weight = np.concatenate([plan.leaves.weight, plan.places.weight]) * np.where(target < 0, -1.0, 1.0)
        rank = np.argsort(order)
        read = np.repeat(rank[np.concatenate([np.arange(own), own + group.ravel()])], slots)
        places, weights = target.ravel() % RING_SIZE, weight.ravel()
        entries = np.flatnonzero(weights)
        entries = entries[np.argsort(read[entries], kind="stable")]
        self.weight_at: IntArray = places[entries]
        self.weight: FloatArray = weights[entries]
        self.weight_first = np.searchsorted(read[entries], np.arange(len(order) + 1))
        self.ready = min(len(order), SPECTRA_BYTES // (RING_SIZE * 8))

    def polynomials(self, first: int, last: int) -> FloatArray:
        """Of the reads `first` … `last` − 1, shape (last − first, N)."""
        found = np.zeros((last - first, RING_SIZE))
        ends = self.weight_first[first : last + 1]
        entries = slice(ends[0], ends[-1])
        np.add.at(
            found, (np.repeat(np.arange(last - first), np.diff(ends)), self.weight_at[entries]), self.weight[entries]
        )
        return found
