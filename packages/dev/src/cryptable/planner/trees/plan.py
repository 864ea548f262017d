"""Plans trees: expand, cover with tables, fill, quantize, lower; the table width is chosen by total price."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from cryptable.cost.prices import Draft, PriceList
from cryptable.errors import UnsupportedModelError
from cryptable.graphs.graph import LEAF, TreeEnsemble
from cryptable.planner.planned_model import PlannedModel
from cryptable.planner.thresholds.bits import Bits
from cryptable.planner.trees.fill_tables import FloatOutput, fill_tables
from cryptable.planner.trees.lower import lower
from cryptable.planner.trees.one_hot_leaves import one_hot_leaves
from cryptable.planner.trees.quantize import QuantizedPlan, Range, quantize, scale_integral
from cryptable.planner.trees.round_leaves import round_leaves
from cryptable.planner.trees.table_plan import TablePlan, drafts, improved
from cryptable.planner.trees.tree_polynomials import Alphabet

_OUTPUT_BITS = 12
"""Of a score, where the tolerance is not known yet."""
_CLEARLY_LESS = 0.8
"""Of what tables would cost by a guess: leaves that cost less are taken without drafting the tables of all scores."""
_HARDLY_LESS = 2.0
"""Times what tables of the cheapest width would cost by that guess: widths that cost more are not drafted."""


def plan_trees(
    graph: TreeEnsemble,
    *,
    tolerance: float,
    prices: PriceList,
    widths: tuple[int, ...] | None = None,
    rounds: int | None = None,
    keeps_ties: bool = False,
    progress: Callable[[float], None] | None = None,
) -> PlannedModel:
    """Plan a model of trees.

    Args:
        graph: the trees.
        tolerance: largest error of a score.
        prices: by which width and kind of tables are chosen.
        widths: table widths to choose from, in bits; by default those that there are prices of.
        rounds: of the search for fewer tables; by default as many as take some seconds.
        keeps_ties: whether leaves are rounded as `round_leaves` has it, even where rounding tables is finer.
        progress: told the fraction done.
    """
    search = _Search(graph, Bits.of_trees(graph.trees, len(graph.feature_names)), prices, tolerance, keeps_ties)
    chosen = search.cheapest(widths or prices.widths)
    plan = chosen.plan if isinstance(chosen, _Leaves) else search.with_tables(chosen, rounds, progress)
    return lower(
        plan,
        search.bits,
        feature_names=graph.feature_names,
        as_float32=graph.as_float32,
        width=chosen.width,
        link=graph.link,
        labels=graph.labels,
        gaps=graph.gaps,
    )


def cheapest_draft(graph: TreeEnsemble, widths: tuple[int, ...], prices: PriceList) -> Draft:
    """The cheapest draft of a model of trees, before it is planned with care: a little more expensive than the plan.

    Raises:
        UnsupportedModelError: as `plan_trees`.
    """
    search = _Search(graph, Bits.of_trees(graph.trees, len(graph.feature_names)), prices)
    found = [search.draft_of(search.cheapest_tables(widths))]
    for bits_are_free in (True, False) if graph.outputs > 1 else ():
        leaves = one_hot_leaves(graph, Alphabet(search.bits), widths, bits_are_free=bits_are_free)
        if leaves is not None:
            found.append(leaves.draft(_OUTPUT_BITS))
    return replace(min(found, key=prices.draft), input_bits=search.bits.count)


@dataclass(frozen=True, eq=False)
class _Leaves:
    """A plan of leaves that are looked up as such."""

    width: int
    plan: QuantizedPlan
    price: float


@dataclass(frozen=True, eq=False)
class _Search:
    """What plans of some trees cost, by a price list, and the cheapest of them.

    `tolerance` is the largest error of a score; None where it is not known yet.
    """

    graph: TreeEnsemble
    bits: Bits
    prices: PriceList
    tolerance: float | None = None
    keeps_ties: bool = False

    def cheapest(self, widths: tuple[int, ...]) -> TablePlan | _Leaves:
        """A draft of tables, or the plan of leaves that costs less."""
        leaves = self._leaves(widths) if self.graph.outputs > 1 else None
        least = math.inf
        if leaves is not None:
            guessed = self._guessed_prices(widths)
            least = min(guessed.values(), default=math.inf)
            widths = tuple(width for width, price in guessed.items() if price <= _HARDLY_LESS * least)
        if leaves is not None and leaves.price < _CLEARLY_LESS * least:
            return leaves
        tables = self.cheapest_tables(widths)
        return leaves if leaves is not None and leaves.price < self._price(tables) else tables

    def cheapest_tables(self, widths: tuple[int, ...]) -> TablePlan:
        """The cheapest draft of tables.

        Raises:
            UnsupportedModelError: no width can count the conditions of a path.
        """
        free = self.prices.bits_are_free
        feasible = [draft for width in widths for draft in drafts(self.graph, self.bits, width, bits_are_free=free)]
        if not feasible:
            raise UnsupportedModelError(
                f"a path of a tree asks about more features than a table of {max(widths)} bits can count; lower "
                "max_depth"
            )
        return min(feasible, key=self._price)

    def draft_of(self, tables: TablePlan) -> Draft:
        """With the bits that scores will take, about.

        They are as many as tell the scores' range apart by a step that rounds each tree, or each table, once.
        """
        if self.tolerance is None:
            return tables.draft(_OUTPUT_BITS)
        rounded = min(_most_trees(self.graph), tables.parts)
        spread = max(high - low for low, high in _ranges(self.graph))
        return tables.draft(max(1, math.ceil(math.log2(max(2.0, spread * rounded / (2 * self.tolerance))))))

    def with_tables(
        self, draft: TablePlan, rounds: int | None, progress: Callable[[float], None] | None
    ) -> QuantizedPlan:
        """Tables of the draft's width for each score, rounded leaf by leaf or table by table, whichever is finer."""
        graph, free = self.graph, self.prices.bits_are_free
        if self.keeps_ties or _most_trees(graph) < draft.parts:
            rounded = round_leaves(graph, tolerance=self._tolerance, keeps_ties=self.keeps_ties)
            tables = improved(draft, rounded.graph, self.bits, bits_are_free=free, rounds=rounds, progress=progress)
            outputs = [_fill(tables, output, integral=True) for output in range(graph.outputs)]
            return scale_integral(
                outputs,
                step=rounded.step,
                base=rounded.base.tolist(),
                error=rounded.error.tolist(),
                ranges=_ranges(rounded.graph),
            )
        tables = improved(draft, graph, self.bits, bits_are_free=free, rounds=rounds, progress=progress)
        outputs = [_fill(tables, output, integral=False) for output in range(graph.outputs)]
        based = [
            replace(output, constant=output.constant + base)
            for output, base in zip(outputs, graph.base.tolist(), strict=True)
        ]
        return quantize(based, tolerance=self._tolerance, ranges=_ranges(graph))

    @property
    def _tolerance(self) -> float:
        if self.tolerance is None:
            raise ValueError("trees are rounded to a tolerance")
        return self.tolerance

    def _price(self, tables: TablePlan) -> float:
        return self.prices.draft(self.draft_of(tables))

    def _leaves(self, widths: tuple[int, ...]) -> _Leaves | None:
        rounded = round_leaves(self.graph, tolerance=self._tolerance, keeps_ties=self.keeps_ties)
        free = self.prices.bits_are_free
        found = []
        for bits_are_free in (True, False) if free is None else (free,):
            alphabet = Alphabet(self.bits)
            leaves = one_hot_leaves(rounded.graph, alphabet, widths, bits_are_free=bits_are_free)
            if leaves is not None and leaves.by_group:
                plan = leaves.plan(alphabet, rounded, _ranges(rounded.graph))
                found.append(_Leaves(leaves.width, plan, self.prices.draft(leaves.draft(plan.width))))
        return min(found, key=lambda each: each.price, default=None)

    def _guessed_prices(self, widths: tuple[int, ...]) -> dict[int, float]:
        """Of tables, by width, guessed in a fraction of the time from the score that the most leaves add to."""
        graph = self.graph
        leaves = sum(np.count_nonzero(tree.values[tree.feature == LEAF], axis=0) for tree in graph.trees)
        most = int(np.argmax(leaves))
        trees = tuple(replace(tree, values=tree.values[:, [most]]) for tree in graph.trees)
        alone = replace(self, graph=replace(graph, trees=trees, base=graph.base[[most]], labels=None))
        found: dict[int, float] = {}
        for width in widths:
            drafted = drafts(alone.graph, self.bits, width, bits_are_free=self.prices.bits_are_free)
            if drafted:  # else a path has too many conditions
                found[width] = min(map(alone._price, drafted)) * float(np.sum(leaves) / np.max(leaves))
        return found


def _ranges(graph: TreeEnsemble) -> list[Range]:
    """By output, the least and the greatest sum of one leaf a tree: narrower than what sums of tables can be."""
    leaves = [tree.values[tree.feature == LEAF] for tree in graph.trees]
    low = graph.base + sum(values.min(axis=0) for values in leaves)
    high = graph.base + sum(values.max(axis=0) for values in leaves)
    return list(zip(low.tolist(), high.tolist(), strict=True))


def _most_trees(graph: TreeEnsemble) -> int:
    """Trees that add to a score, of the score that most add to."""
    return int(sum(np.any(tree.values != 0, axis=0) for tree in graph.trees).max())


def _fill(plan: TablePlan, output: int, *, integral: bool) -> FloatOutput:
    return fill_tables(
        plan.polynomials[output],
        plan.masks[output],
        plan.alphabet,
        integral=integral,
        bits_are_free=plan.bits_are_free,
    )
