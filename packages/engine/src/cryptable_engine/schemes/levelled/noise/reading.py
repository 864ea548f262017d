"""What forms read from leaves and places, on each way through products, and how far its rounding moves an answer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cryptable_engine.circuit.circuit import IntArray
from cryptable_engine.schemes.levelled.plans.plan import Plan

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Reads:
    """Of some ways: way[i] reads source[i] times the weights weight[i], shape (reads, slots); each source once a way.

    Sources are leaves, then places, then the rounding of each bit's weights.
    """

    way: IntArray
    source: IntArray
    weight: FloatArray

    def joined(self, other: Reads) -> Reads:
        """Those of both, not summed."""
        return Reads(
            np.concatenate([self.way, other.way]),
            np.concatenate([self.source, other.source]),
            np.concatenate([self.weight, other.weight]),
        )

    def summed(self) -> Reads:
        """With the weights of one source on one way added up, and none that are 0."""
        order = np.lexsort((self.source, self.way))
        way, source, weight = self.way[order], self.source[order], self.weight[order]
        if len(order):
            first = np.flatnonzero(np.r_[True, (np.diff(way) != 0) | (np.diff(source) != 0)])
            way, source, weight = way[first], source[first], np.add.reduceat(weight, first, axis=0)
        kept = weight.any(axis=1)
        return Reads(way[kept], source[kept], weight[kept])


class Reading:
    """What each form of a plan reads."""

    def __init__(self, plan: Plan) -> None:
        leaves, self._slots = len(plan.layout.leaf_bits), plan.layout.slots
        self.sources = leaves + len(plan.layout.placed)
        """Leaves and places: those that have noise."""
        rounding = plan.rounding
        form = np.concatenate([plan.leaves.form, plan.places.form, rounding.form])
        source = np.concatenate([plan.leaves.source, plan.places.source + leaves, rounding.source + self.sources])
        weight = np.concatenate([plan.leaves.weight, plan.places.weight, rounding.weight])
        order = np.argsort(form, kind="stable")
        self._source, self._weight = source[order], weight[order]
        self._first = np.searchsorted(form[order], np.arange(plan.forms.products + 2))

    def of(self, way: IntArray, form: IntArray, factor: FloatArray) -> Reads:
        """What ways read that add up forms, each so many times; not summed."""
        index, each = self._of_forms(form)
        return Reads(way[each], self._source[index], factor[each, None] * self._weight[index])

    def at_most(self, form: IntArray, up: FloatArray, down: FloatArray) -> Reads:
        """What one way reads at most, forms entering so many times with sign 1 and so many with sign −1."""
        index, each = self._of_forms(form)
        above, below = np.maximum(self._weight[index], 0), np.maximum(-self._weight[index], 0)
        more, less = up[each, None], down[each, None]
        source, none = self._source[index], np.zeros(len(index), np.int64)
        positive = Reads(none, source, more * above + less * below)
        negative = Reads(none, source, more * below + less * above)
        both = Reads(none, source, np.concatenate([positive.weight, negative.weight], axis=1)).summed()
        return Reads(both.way, both.source, np.maximum(*np.split(both.weight, 2, axis=1)))

    def _of_forms(self, form: IntArray) -> tuple[IntArray, IntArray]:
        """Of the reads of some forms, one after the other: which they are, and of which of the forms."""
        first, count = self._first[form], self._first[form + 1] - self._first[form]
        each = np.repeat(np.arange(len(form)), count)
        index = np.arange(len(each)) + np.repeat(first - np.r_[0, np.cumsum(count)[:-1]], count)
        return index, each

    def rounding(self, reads: Reads, ways: int) -> FloatArray:
        """How far rounded weights move each slot at most, on any way, bits being on or off: shape (slots,)."""
        up, down = np.zeros((2, ways, self._slots))
        is_rounding = reads.source >= self.sources
        weight = reads.weight[is_rounding]
        np.add.at(up, reads.way[is_rounding], np.maximum(weight, 0))
        np.add.at(down, reads.way[is_rounding], np.maximum(-weight, 0))
        found: FloatArray = np.maximum(up, down).max(axis=0)
        return found


def less_usual(reads: Reads, ways: int) -> tuple[Reads, Reads]:
    """What ways read beside what most of them read; and that: the median of each weight, where it is not 0.

    A tree's first branch is read by the answer itself, and taken back on every other way: this is what is taken back.

    Args:
        reads: of `ways` ways, summed.
        ways: their number.
    """
    source, place, count = np.unique(reads.source, return_inverse=True, return_counts=True)
    is_usual = 2 * count >= ways
    often = is_usual[place.ravel()]
    column = (np.cumsum(is_usual) - 1)[place.ravel()[often]]
    weights = np.zeros((int(is_usual.sum()), ways, reads.weight.shape[1]))
    weights[column, reads.way[often]] = reads.weight[often]
    median = np.median(weights, axis=1) if weights.size else np.zeros((len(weights), weights.shape[2]))
    base = Reads(np.zeros(len(median), np.int64), source[is_usual], median)
    rest = (weights - median[:, None]).reshape(-1, weights.shape[2])
    left = Reads(np.tile(np.arange(ways), len(median)), np.repeat(source[is_usual], ways), rest)
    kept = rest.any(axis=1)
    seldom = Reads(reads.way[~often], reads.source[~often], reads.weight[~often])
    return seldom.joined(Reads(left.way[kept], left.source[kept], left.weight[kept])), base
