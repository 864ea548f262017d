"""A bound, over all honest rows, of what noise and rounded weights do to an answer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from cryptable_protocol.schemes.levelled.keyset import RING_SIZE

from cryptable_engine.circuit.circuit import IntArray
from cryptable_engine.schemes.levelled.noise.ladders import read_by_ladders, rounding_of
from cryptable_engine.schemes.levelled.noise.occurrences import begun_alike, coherence, occurrences
from cryptable_engine.schemes.levelled.noise.paths import MOST_STEPS, components
from cryptable_engine.schemes.levelled.noise.reading import Reading, Reads, less_usual
from cryptable_engine.schemes.levelled.noise.spectra import MOST_SLOTS, Spectrum, spectrum
from cryptable_engine.schemes.levelled.noise.turning import Turning, turning
from cryptable_engine.schemes.levelled.noise.variances import PLACED, RowVariances
from cryptable_engine.schemes.levelled.plans.ladders import Ladder, ladders
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
class _Part:
    """The ways through some products: products of each, their squared gains, whether their bits are on; what it reads.

    Of what is read, sources and sums of squared weights; and how far rounding moves each slot, on any way.
    """

    ways: int
    way: IntArray
    product: IntArray
    gain: FloatArray
    on: IntArray
    reading: IntArray
    source: IntArray
    squares: FloatArray
    rounding: FloatArray


class WorstRows:
    """The bound for a plan, whatever the variances of its rows: what does not depend on them is found once.

    Args:
        plan: of a circuit.
        most_steps: through a component of products; where there are more, all its products are taken to be on.
    """

    def __init__(self, plan: Plan, *, most_steps: int = MOST_STEPS) -> None:
        self._plan = plan
        self._ladders = ladders(plan.forms)
        if self._ladders is not None:
            self._times = (coherence(plan) + begun_alike(plan)[0]).astype(np.float64)
            self._rounding = rounding_of(plan, self._ladders)
            return
        parts, self._fixed = _parts(plan, most_steps)
        self._first = np.cumsum([0, *(part.ways for part in parts)])
        self._ways = int(self._first[-1])
        shift = self._first[:-1].tolist()
        self._way = np.concatenate([part.way + first for part, first in zip(parts, shift, strict=True)])
        self._product = np.concatenate([part.product for part in parts])
        self._gain, self._on = np.concatenate([part.gain for part in parts]), np.concatenate([p.on for p in parts])
        self._rounding = np.sum([part.rounding for part in parts], axis=0)
        self._squares = self._read(parts, shift)
        leaves = len(plan.layout.leaf_bits)
        self._is_fixed = not any((part.source < leaves).any() for part in parts[:-1])
        greatest = np.zeros(plan.forms.products)
        np.maximum.at(greatest, self._product, self._gain)
        selectors = len(plan.parameters.selectors)
        self._by_selector = np.bincount(plan.selector, greatest, selectors).astype(np.float64)

    def _read(self, parts: Sequence[_Part], shift: Sequence[int]) -> FloatArray:
        """Squared weights by run and way, and last those of places, each times the number of parts that share a source.

        (x + … + y)² ≤ n (x² + … + y²).
        """
        layout = self._plan.layout
        leaves = len(layout.leaf_bits)
        shared = np.zeros(leaves + len(layout.placed))
        for part in parts:
            shared[np.unique(part.source)] += 1
        source = np.concatenate([part.source for part in parts])
        way = np.concatenate([part.reading + first for part, first in zip(parts, shift, strict=True)])
        squares = np.concatenate([part.squares for part in parts]) * shared[source]
        runs = len(layout.runs)
        kind = np.where(source < leaves, source // RING_SIZE, runs)
        found = np.bincount(kind * self._ways + way, squares, (runs + 1) * self._ways)
        return found.astype(np.float64).reshape(runs + 1, self._ways)

    @property
    def reads_leaves(self) -> bool:
        """Whether spectra of forms or of tables' first turns matter."""
        return self._plan.turns is not None or self._plan.leaves.form.size > 0

    @cached_property
    def fixed(self) -> tuple[Spectrum, ...]:
        """Of what is read of leaves, where every row reads the same: its spectra, by run; none where rows differ."""
        plan = self._plan
        if self._ladders is not None or not self._is_fixed or plan.layout.slots > MOST_SLOTS:
            return ()
        found = []
        for run in plan.layout.runs:
            inside = (self._fixed.source >= run.first) & (self._fixed.source < run.first + run.count)
            if inside.any():
                found.append(spectrum(run, self._fixed.source[inside] - run.first, self._fixed.weight[inside]))
        return tuple(found)

    def of(self, variances: RowVariances, prices: FloatArray | None = None, *, read: float | None = None) -> WorstRow:
        """The bound, for variances of the plan's layout.

        Args:
            variances: of rows.
            prices: of squared weights of leaves, where they are not `variances.slot_coefficients`.
            read: what any slot has of leaves, where every row reads the same, instead of by prices.
        """
        prices = variances.slot_coefficients if prices is None else prices
        if self._ladders is not None:
            return self._of_ladders(self._ladders, variances, prices)
        plan, turns = self._plan, turning(self._plan, variances)
        selector = plan.selector[self._product]
        entering = variances.product_keys[selector] + variances.product_rounding
        costs = self._sum(self._gain * (entering + self._on * variances.product_left))
        of_leaves = np.zeros(self._ways)
        if read is None:
            of_leaves = np.array([prices[run.first] for run in plan.layout.runs]) @ self._squares[:-1]
        more = read or 0.0
        by_selector = self._by_selector if turns is None else self._by_selector + turns.gains
        found = WorstRow(
            variance=self._most(costs + of_leaves + PLACED * self._squares[-1]) + more,
            products=self._most(costs),
            gain=self._most(self._sum(self._gain)),
            squares=np.array(
                [self._most(self._sum(self._gain * each[selector])) for each in by_selector * variances.sources]
            ),
            most=float(by_selector.max(initial=0.0)),
            rounding=self._rounding,
        )
        if turns is None:
            return found
        squares = (by_selector * turns.gains) @ variances.turn_sources.T
        return _with_turns(found, turns, self._most(of_leaves) + more, squares)

    def _of_ladders(self, found: tuple[Ladder, ...], variances: RowVariances, leaves: FloatArray) -> WorstRow:
        """Where no product reads another: the noise of each enters, and rows read sums along ladders."""
        plan, gains = self._plan, self._times
        by_selector = np.bincount(plan.selector, gains, len(plan.parameters.selectors))
        entering = variances.product_keys[plan.selector] + variances.product_rounding + variances.product_left
        products = float(gains @ entering)
        prices = np.concatenate([leaves, np.full(len(plan.layout.placed), PLACED)])
        return WorstRow(
            variance=products + read_by_ladders(plan, found, prices),
            products=products,
            gain=float(gains.sum()),
            squares=(by_selector * variances.sources)[:, plan.selector] @ gains,
            most=float(by_selector.max(initial=0.0)),
            rounding=self._rounding,
        )

    def _sum(self, entries: FloatArray) -> FloatArray:
        """Of entries of products, by way."""
        found: FloatArray = np.bincount(self._way, entries, self._ways).astype(np.float64)
        return found

    def _most(self, of_ways: FloatArray) -> float:
        """The greatest of each part, summed over parts."""
        return float(np.maximum.reduceat(of_ways, self._first[:-1]).sum())


def worst_row(plan: Plan, variances: RowVariances, *, most_steps: int = MOST_STEPS) -> WorstRow:
    """The bound for a plan and one layout's variances; `most_steps` as of `WorstRows`."""
    return WorstRows(plan, most_steps=most_steps).of(variances)


def _parts(plan: Plan, most_steps: int) -> tuple[list[_Part], Reads]:
    """One for each component of products, and at last what every row reads; which is returned besides."""
    forms, reading = plan.forms, Reading(plan)
    times = coherence(plan) + begun_alike(plan)[0]
    root = np.array([forms.root])
    remainder = reading.of(np.zeros(1, np.int64), root, np.ones(1))

    def part(ways: int, way: IntArray, product: IntArray, factor: FloatArray, on: IntArray, reads: Reads) -> _Part:
        kept = reads.source < reading.sources
        squares = np.sum(reads.weight[kept] ** 2, axis=1)
        rounding = reading.rounding(reads, ways)
        gain = times[product] * factor**2
        return _Part(ways, way, product, gain, on, reads.way[kept], reads.source[kept], squares, rounding)

    parts: list[_Part] = []
    for component in components(forms, most_steps):
        members = component.members
        if component.ways is None:
            up, down = occurrences(forms, members, component.start)
            none = np.zeros(len(members), np.int64)
            reads = reading.at_most(members, up, down)
            parts.append(part(1, none, members, np.maximum(up, down), none + 1, reads))
            continue
        ways = len(component.ways)
        way = np.repeat(np.arange(ways), [len(each.products) for each in component.ways])
        product, factor, on = (
            np.concatenate(column)
            for column in zip(*((each.products, each.factors, each.on) for each in component.ways), strict=True)
        )
        is_on = on > 0
        reads = reading.of(way[is_on], product[is_on], factor[is_on].astype(np.float64)).summed()
        reads, base = less_usual(reads, ways)
        remainder = remainder.joined(base)
        parts.append(part(ways, way, product, factor.astype(np.float64), on, reads))
    nothing, remainder = np.empty(0, np.int64), remainder.summed()
    return [*parts, part(1, nothing, nothing, np.empty(0), nothing, remainder)], remainder


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
