"""What forms read from leaves and places, what its noise costs, and how far its rounding moves an answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from cryptable_engine.circuit.circuit import IntArray
from cryptable_engine.schemes.levelled.noise.variances import PLACED, RowVariances
from cryptable_engine.schemes.levelled.plans.plan import Plan

FloatArray = npt.NDArray[np.float64]
Reads = dict[int, FloatArray]
"""Weights in the slots, by what is read: a leaf, or a place after them, or below 0 the rounding of a bit's weights."""


class Reading:
    """What each form of a plan reads."""

    def __init__(self, plan: Plan, variances: RowVariances) -> None:
        leaves = len(plan.layout.leaf_bits)
        self._slots = plan.layout.slots
        self._prices = np.concatenate([variances.any_coefficients, np.full(len(plan.layout.placed), PLACED)])
        self.forms: list[Reads] = [{} for _ in range(plan.forms.products + 1)]
        self._fill(plan.leaves.form, plan.leaves.source, plan.leaves.weight)
        self._fill(plan.places.form, plan.places.source + leaves, plan.places.weight)
        self._fill(plan.forms.form_of_reads(), -1 - plan.forms.read_bit, plan.rounding)

    def _fill(self, forms: IntArray, sources: IntArray, weights: FloatArray) -> None:
        for form, source, weight in zip(forms.tolist(), sources.tolist(), weights, strict=True):
            self.forms[form][source] = weight

    def variance(self, reads: Reads, shared: dict[int, int]) -> float:
        """Of what is read, each source times the number of parts that share it."""
        sources = [source for source in reads if source >= 0]
        if not sources:
            return 0.0
        weights = np.array([reads[source] for source in sources])
        prices = self._prices[sources] * np.array([shared[source] for source in sources])
        return float(prices @ np.sum(weights**2, axis=1))

    def rounding(self, reads: Reads) -> FloatArray:
        """How far rounded weights move each slot at most, bits being on or off."""
        weights = np.array([weight for source, weight in reads.items() if source < 0]).reshape(-1, self._slots)
        found: FloatArray = np.maximum(np.maximum(weights, 0).sum(axis=0), np.maximum(-weights, 0).sum(axis=0))
        return found


def added(parts: Iterable[tuple[float, Reads]]) -> Reads:
    """The sum of factors times what is read."""
    total: Reads = {}
    for factor, reads in parts:
        for source, weight in reads.items():
            total[source] = total[source] + factor * weight if source in total else factor * weight
    return {source: weight for source, weight in total.items() if weight.any()}


def usual(ways: Sequence[Reads]) -> Reads:
    """What most ways read: the median of each weight, where it is not 0.

    A tree's first branch is read by the answer itself, and taken back on every other way: this is what is taken back.
    """
    count: dict[int, int] = {}
    for reads in ways:
        for source in reads:
            count[source] = count.get(source, 0) + 1
    by_times: dict[int, list[int]] = {}
    for source, times in count.items():
        if 2 * times >= len(ways):
            by_times.setdefault(times, []).append(source)
    result: Reads = {}
    for times, sources in by_times.items():
        weights = np.array([[reads[source] for reads in ways if source in reads] for source in sources])
        zeros = np.zeros((len(sources), len(ways) - times, weights.shape[2]))
        medians = np.median(np.concatenate([weights, zeros], axis=1), axis=1)
        result.update((source, median) for source, median in zip(sources, medians, strict=True) if median.any())
    return result
