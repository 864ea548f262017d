"""The best approximations of trees that cost no more than a budget allows."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from cryptable.cost.prices import Cost
from cryptable.errors import BudgetError
from cryptable.graphs.graph import LEAF, FloatArray, Rows, TreeEnsemble
from cryptable.planner.approximation.prune import collapse_one, merge_edges, prune, refit
from cryptable.planner.approximation.shrink import shrink
from cryptable.planner.budget import Budget

_MERGED_ROWS = (0.0, 0.01, 0.03)
"""Fractions of the calibration rows that merged thresholds may have between them: each is tried."""
_MOST_SPLITS = 64
MOST_LEAVES = 1 << 12
"""Leaves times scores, of trees that are approximated: of larger ones some are cut first."""
_STEPS = 12
"""Of the search for the least pruning that meets the budget."""


def approximations(
    graph: TreeEnsemble,
    rows: FloatArray,
    scores: FloatArray,
    *,
    budget: Budget,
    own: Cost,
    cost_of: Callable[[TreeEnsemble], Cost],
    progress: Callable[[float], None] | None = None,
) -> list[TreeEnsemble]:
    """Trees that are within the budget, as far as can be told before they are compiled.

    Args:
        graph: the model's own trees; where they are within the budget, they alone are returned.
        rows: calibration data.
        scores: the model's own, shape (rows, outputs).
        budget: of one prediction.
        own: what the model's own trees cost.
        cost_of: what others do, about.
        progress: told the fraction done.

    Returns:
        One for each way of merging thresholds that leads to any: pruned no more than needed, and fitted again.

    Raises:
        BudgetError: there are none.
    """
    if budget.allows(own):
        return [graph]
    seen = graph.seen(rows)
    found, cheapest = [], own
    for index, fraction in enumerate(_MERGED_ROWS):
        merged = merge_edges(graph, seen, rows=int(fraction * seen.shape[0]))
        # At the top everything is one leaf, at the bottom nothing is pruned but what no row can tell.
        high, low, best = float(((scores - scores.mean(axis=0)) ** 2).sum()), 0.0, None
        for step in range(_STEPS):
            penalty = math.sqrt(low * high) if low else high / 16
            pruned = prune(merged, seen, penalty=penalty)
            if not any((tree.feature != LEAF).any() for tree in pruned.trees):
                high = penalty
            elif budget.allows(cost := cost_of(pruned)):
                best, high = pruned, penalty
            else:
                low = penalty
                cheapest = min(cheapest, cost, key=lambda each: each.seconds)
            if progress is not None:
                progress((index + (step + 1) / _STEPS) / len(_MERGED_ROWS))
        if best is None and low:
            best = _one_by_one(
                prune(merged, seen, penalty=low),
                seen,
                lambda trees: budget.allows(cost_of(trees)),
            )
        if best is not None:
            found.append(refit(best, seen, scores))
    if not found:
        raise BudgetError(f"no approximation is within {budget}: the cheapest that was found takes {cheapest}")
    return found


def _one_by_one(
    trees: TreeEnsemble, seen: FloatArray, is_within: Callable[[TreeEnsemble], bool]
) -> TreeEnsemble | None:
    """Pruned split by split, where the step from too expensive to constant is one of several splits at once."""
    splits = sum(int((tree.feature != LEAF).sum()) for tree in trees.trees)
    for _ in range(min(splits, _MOST_SPLITS) - 1):
        trees = collapse_one(trees, seen)
        if is_within(trees):
            return trees
    return None


def cut_down(graph: TreeEnsemble, rows: Rows) -> TreeEnsemble:
    """Trees of at most so many leaves that each approximation of them is priced in a second, and a few are planned."""
    leaves = sum(int(np.count_nonzero(tree.feature == LEAF)) for tree in graph.trees)
    if leaves * graph.outputs <= MOST_LEAVES:
        return graph
    return shrink(graph, graph.seen(rows), leaves=MOST_LEAVES // graph.outputs)
