"""Budgets: the best approximation of trees that costs no more than the developer allows."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from cryptable_protocol import InvalidInputError

from cryptable.cost.prices import P_ERROR
from cryptable.cost.rates import MachineRates
from cryptable.errors import BudgetError
from cryptable.graphs.graph import LEAF, AdditiveTrees, FloatArray
from cryptable.planner.approximation.prune import collapse_one, merge_edges, prune, refit
from cryptable.planner.trees.plan import DraftCost, draft_cost

_MERGED_ROWS = (0.0, 0.01, 0.03)
"""Fractions of the calibration rows that merged thresholds may have between them: each is tried."""
_MARGIN = 0.97
_MOST_SPLITS = 64
_STEPS = 12
"""Of the search for the least pruning that meets the budget."""
_KEY_BITS = 2048
"""Of the key that inputs are under, at most: it is shorter in circuits of one level."""
_ELEMENT_BYTES, _ROW_BYTES = 8, 21
_ENTRIES_A_LOOKUP = 8


@dataclass(frozen=True)
class Cost:
    """Of one prediction: CPU seconds on the server, lookups, bytes of an encrypted row."""

    seconds: float
    lookups: int
    upload_bytes: int

    def __str__(self) -> str:
        return f"about {self.seconds:.3g} s of CPU, {self.lookups} lookups, {self.upload_bytes} bytes up"


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What one prediction may cost at most; each is optional, one is needed.

    Args:
        seconds: of CPU on the server, as `explain` predicts them: lookups, linear maps, and ciphertexts in and out.
        max_lookups: lookups.
        upload_bytes: of an encrypted row.
    """

    seconds: float | None = None
    max_lookups: int | None = None
    upload_bytes: int | None = None

    def __post_init__(self) -> None:
        limits = {name: value for name, value in vars(self).items() if value is not None}
        if not limits:
            raise InvalidInputError("the budget has no limit: give seconds=, max_lookups= or upload_bytes=")
        for name, value in limits.items():
            if not math.isfinite(value) or value < 0 or (value == 0 and name != "max_lookups"):
                raise InvalidInputError(f"the budget's {name} is {value}, expected a positive number")

    def allows(self, cost: Cost) -> bool:
        """Whether a prediction of that cost is within it."""
        spent = ((cost.seconds, self.seconds), (cost.lookups, self.max_lookups), (cost.upload_bytes, self.upload_bytes))
        return all(limit is None or value <= limit for value, limit in spent)

    def tightened(self, whole: Budget, cost: Cost) -> Budget:
        """Smaller, where a prediction that was planned within this budget costs more than the whole one allows."""

        def smaller(limit: float | None, allowed: float | None, spent: float) -> float | None:
            return limit if limit is None or allowed is None or spent <= allowed else limit * allowed / spent * _MARGIN

        lookups = smaller(self.max_lookups, whole.max_lookups, cost.lookups)
        size = smaller(self.upload_bytes, whole.upload_bytes, cost.upload_bytes)
        return Budget(
            seconds=smaller(self.seconds, whole.seconds, cost.seconds),
            max_lookups=None if lookups is None else int(lookups),
            upload_bytes=None if size is None else max(1, int(size)),
        )

    def __str__(self) -> str:
        seconds = None if self.seconds is None else f"{self.seconds:.3g} s of CPU"
        lookups = None if self.max_lookups is None else f"{self.max_lookups} lookups"
        size = None if self.upload_bytes is None else f"{self.upload_bytes} bytes up"
        return ", ".join(part for part in (seconds, lookups, size) if part)


def approximations(
    graph: AdditiveTrees,
    rows: FloatArray,
    scores: FloatArray,
    *,
    budget: Budget,
    widths: tuple[int, ...],
    rates: MachineRates,
    p_error: float = P_ERROR,
    progress: Callable[[float], None] | None = None,
) -> list[AdditiveTrees]:
    """Trees that are within the budget, as far as can be told before they are compiled.

    Args:
        graph: the model's own trees; where they are within the budget, they alone are returned.
        rows: calibration data.
        scores: the model's own, shape (rows, outputs).
        budget: of one prediction.
        widths: of tables, to choose from.
        rates: of the machine that the seconds are of.
        p_error: of a lookup.
        progress: told the fraction done.

    Returns:
        One for each way of merging thresholds that leads to any: pruned no more than needed, and fitted again.

    Raises:
        BudgetError: there are none.
    """

    def cost_of(trees: AdditiveTrees, among: tuple[int, ...]) -> Cost:
        return _cost(draft_cost(trees, among, p_error), rates)

    draft = draft_cost(graph, widths, p_error)
    own = _cost(draft, rates)
    if budget.allows(own):
        return [graph]
    near = tuple(width for width in widths if draft.width - 1 <= width <= draft.width)
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
            elif budget.allows(cost := cost_of(pruned, near)):
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
                lambda trees: budget.allows(cost_of(trees, near)),
            )
        if best is not None:
            found.append(refit(best, seen, scores))
    if not found:
        raise BudgetError(f"no approximation is within {budget}: the cheapest that was found takes {cheapest}")
    return found


def _one_by_one(
    trees: AdditiveTrees, seen: FloatArray, is_within: Callable[[AdditiveTrees], bool]
) -> AdditiveTrees | None:
    """Pruned split by split, where the step from too dear to constant is one of several splits at once."""
    splits = sum(int((tree.feature != LEAF).sum()) for tree in trees.trees)
    for _ in range(min(splits, _MOST_SPLITS) - 1):
        trees = collapse_one(trees, seen)
        if is_within(trees):
            return trees
    return None


def _cost(draft: DraftCost, rates: MachineRates) -> Cost:
    return Cost(_seconds(draft, rates), draft.lookups, _ROW_BYTES + draft.input_bits * _ELEMENT_BYTES)


def _seconds(cost: DraftCost, rates: MachineRates) -> float:
    """As `machine.predict`, from what is known before crypto parameters are."""
    words = _KEY_BITS * cost.input_bits
    if not cost.lookups:
        return rates.linear_call + words * (rates.linear_input_word + rates.linear_cell_word)
    nearest = min(rates.per_price, key=lambda width: abs(width - cost.width))
    gathered = _ENTRIES_A_LOOKUP * cost.lookups * _KEY_BITS * rates.gathered_word
    return rates.call + words * rates.input_word + cost.price * rates.per_price[nearest] + gathered
