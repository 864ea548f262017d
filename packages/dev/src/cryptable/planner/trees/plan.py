"""Plans additive trees: expand, cover with tables, fill, quantize, lower; the table width is chosen by total price."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from cryptable.cost.prices import P_ERROR
from cryptable.errors import UnsupportedModelError
from cryptable.graphs.graph import LEAF, AdditiveTrees
from cryptable.planner.thresholds.bits import Bits
from cryptable.planner.trees.fill_tables import FloatOutput, fill_tables
from cryptable.planner.trees.lower import PlannedModel, lower
from cryptable.planner.trees.one_hot_leaves import one_hot_leaves
from cryptable.planner.trees.quantize import QuantizedPlan, Range, quantize, scale_integral
from cryptable.planner.trees.round_leaves import round_leaves
from cryptable.planner.trees.table_plan import TablePlan, drafts, improved
from cryptable.planner.trees.tree_polynomials import Alphabet

WIDTHS = (2, 3, 4, 5, 6)
_OUTPUT_BITS = 12
"""Of a score, where the tolerance is not known yet."""
_CLEARLY_LESS = 0.8
"""Of what tables would cost by a guess: leaves that cost less are taken without drafting the tables of all scores."""
_HARDLY_LESS = 2.0
"""Times what tables of the cheapest width would cost by that guess: widths that cost more are not drafted."""


def plan_trees(
    graph: AdditiveTrees,
    *,
    tolerance: float,
    widths: tuple[int, ...] = WIDTHS,
    p_error: float = P_ERROR,
    one_level: bool | None = None,
    rounds: int | None = None,
    progress: Callable[[float], None] | None = None,
) -> PlannedModel:
    """Plan a model of trees.

    Args:
        graph: the trees.
        tolerance: largest error of a score.
        widths: table widths to choose from, in bits.
        p_error: of a lookup: which width is cheapest depends on it.
        one_level: whether the circuit must be one of one level, or is priced as if it were none, for the keys that it
            is to run with; by default what is cheaper.
        rounds: of the search for fewer tables; by default as many as take some seconds.
        progress: told the fraction done.
    """
    bits = Bits.of_trees(graph.trees, len(graph.feature_names))
    leaves = _leaves(graph, bits, tolerance, widths, p_error, one_level) if graph.outputs > 1 else None
    least = math.inf
    if leaves is not None:
        guessed = _guessed_prices(graph, bits, widths, p_error, tolerance, one_level)
        least = min(guessed.values(), default=math.inf)
        widths = tuple(width for width, price in guessed.items() if price <= _HARDLY_LESS * least)
    if leaves is not None and leaves.price < _CLEARLY_LESS * least:
        width, plan = leaves.width, leaves.plan
    else:
        draft = _cheapest_draft(graph, bits, widths, p_error, tolerance, one_level)
        if leaves is not None and leaves.price < draft.price(p_error, _output_bits(graph, draft, tolerance)):
            width, plan = leaves.width, leaves.plan
        else:
            width, plan = draft.width, _with_tables(graph, bits, draft, tolerance, one_level, rounds, progress)
    return lower(
        plan,
        bits,
        feature_names=graph.feature_names,
        as_float32=graph.as_float32,
        width=width,
        link=graph.link,
        labels=graph.labels,
        gaps=graph.gaps,
    )


class _Leaves(NamedTuple):
    """A plan of leaves that are looked up as such."""

    width: int
    plan: QuantizedPlan
    price: float


def _leaves(
    graph: AdditiveTrees,
    bits: Bits,
    tolerance: float,
    widths: tuple[int, ...],
    p_error: float,
    one_level: bool | None,
) -> _Leaves | None:
    rounded = round_leaves(graph, tolerance=tolerance)
    found = []
    for bits_are_free in (True, False) if one_level is None else (not one_level,):
        alphabet = Alphabet(bits)
        leaves = one_hot_leaves(rounded.graph, alphabet, widths, bits_are_free=bits_are_free)
        if leaves is not None and leaves.by_group:
            plan = leaves.plan(alphabet, rounded, _ranges(rounded.graph))
            price = leaves.price(p_error, plan.width, one_level=one_level)
            found.append(_Leaves(leaves.width, plan, price))
    return min(found, key=lambda each: each.price, default=None)


def _guessed_prices(
    graph: AdditiveTrees,
    bits: Bits,
    widths: tuple[int, ...],
    p_error: float,
    tolerance: float,
    one_level: bool | None,
) -> dict[int, float]:
    """Of tables, by width, guessed in a fraction of the time from those of the score that the most leaves add to."""
    leaves = sum(np.count_nonzero(tree.values[tree.feature == LEAF], axis=0) for tree in graph.trees)
    most = int(np.argmax(leaves))
    trees = tuple(replace(tree, values=tree.values[:, [most]]) for tree in graph.trees)
    alone = replace(graph, trees=trees, base=graph.base[[most]], labels=None)
    found: dict[int, float] = {}
    for width in widths:
        drafted = drafts(alone, bits, width, one_level=one_level)
        prices = [draft.price(p_error, _output_bits(alone, draft, tolerance)) for draft in drafted]
        if prices:  # else a path has too many conditions
            found[width] = min(prices) * float(np.sum(leaves) / np.max(leaves))
    return found


def _with_tables(
    graph: AdditiveTrees,
    bits: Bits,
    draft: TablePlan,
    tolerance: float,
    one_level: bool | None,
    rounds: int | None,
    progress: Callable[[float], None] | None,
) -> QuantizedPlan:
    """Tables of the draft's width for each score, rounded leaf by leaf or table by table, whichever is finer."""
    if _most_trees(graph) < _parts(draft):
        rounded = round_leaves(graph, tolerance=tolerance)
        tables = improved(draft, rounded.graph, bits, one_level=one_level, rounds=rounds, progress=progress)
        outputs = [_fill(tables, output, integral=True) for output in range(graph.outputs)]
        return scale_integral(
            outputs,
            step=rounded.step,
            base=rounded.base.tolist(),
            error=rounded.error.tolist(),
            ranges=_ranges(rounded.graph),
        )
    tables = improved(draft, graph, bits, one_level=one_level, rounds=rounds, progress=progress)
    outputs = [_fill(tables, output, integral=False) for output in range(graph.outputs)]
    based = [
        replace(output, constant=output.constant + base)
        for output, base in zip(outputs, graph.base.tolist(), strict=True)
    ]
    return quantize(based, tolerance=tolerance, ranges=_ranges(graph))


@dataclass(frozen=True)
class DraftCost:
    """What a model of trees costs, before it is planned with care; the price is in optimizer complexity units."""

    lookups: int
    width: int
    input_bits: int
    price: float


def draft_cost(graph: AdditiveTrees, widths: tuple[int, ...], p_error: float = P_ERROR) -> DraftCost:
    """The cost of the cheapest draft: a little more than that of the plan.

    Raises:
        UnsupportedModelError: as `plan_trees`.
    """
    bits = Bits.of_trees(graph.trees, len(graph.feature_names))
    cheapest = _cheapest_draft(graph, bits, widths, p_error)
    least = cheapest.price(p_error, _OUTPUT_BITS)
    found = DraftCost(cheapest.lookups, cheapest.width, bits.count, least)
    for bits_are_free in (True, False) if graph.outputs > 1 else ():
        leaves = one_hot_leaves(graph, Alphabet(bits), widths, bits_are_free=bits_are_free)
        if leaves is not None and leaves.price(p_error, _OUTPUT_BITS) < found.price:
            found = DraftCost(len(leaves.by_group), leaves.width, bits.count, leaves.price(p_error, _OUTPUT_BITS))
    return found


def _cheapest_draft(
    graph: AdditiveTrees,
    bits: Bits,
    widths: tuple[int, ...],
    p_error: float,
    tolerance: float | None = None,
    one_level: bool | None = None,
) -> TablePlan:
    feasible = [draft for width in widths for draft in drafts(graph, bits, width, one_level=one_level)]
    if not feasible:
        raise UnsupportedModelError(
            f"a path of a tree asks about more features than a table of {max(widths)} bits can count; lower max_depth"
        )
    return min(feasible, key=lambda plan: plan.price(p_error, _output_bits(graph, plan, tolerance)))


def _output_bits(graph: AdditiveTrees, plan: TablePlan, tolerance: float | None) -> int:
    """Of a score, about: as many as tell its range apart by a step that rounds each tree, or each table, once."""
    if tolerance is None:
        return _OUTPUT_BITS
    rounded = min(_most_trees(graph), _parts(plan))
    spread = max(high - low for low, high in _ranges(graph))
    return max(1, math.ceil(math.log2(max(2.0, spread * rounded / (2 * tolerance)))))


def _parts(plan: TablePlan) -> int:
    """Tables and functions of one feature that are summed."""
    return plan.longest + (0 if plan.one_level else sum(1 for edges in plan.alphabet.bits.edges if edges))


def _ranges(graph: AdditiveTrees) -> list[Range]:
    """By output, the least and the greatest sum of one leaf a tree: narrower than what sums of tables can be."""
    leaves = [tree.values[tree.feature == LEAF] for tree in graph.trees]
    low = graph.base + sum(values.min(axis=0) for values in leaves)
    high = graph.base + sum(values.max(axis=0) for values in leaves)
    return list(zip(low.tolist(), high.tolist(), strict=True))


def _most_trees(graph: AdditiveTrees) -> int:
    """Trees that add to a score, of the score that most add to."""
    return int(sum(np.any(tree.values != 0, axis=0) for tree in graph.trees).max())


def _fill(plan: TablePlan, output: int, *, integral: bool) -> FloatOutput:
    free = not plan.one_level
    return fill_tables(
        plan.polynomials[output], plan.masks[output], plan.alphabet, integral=integral, bits_are_free=free
    )
