"""Plans models of trees, for the registry: as they are, and as approximations within a budget."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cryptable_engine import Lookup

from cryptable.console.progress import progress_bar
from cryptable.cost.prices import Draft, PriceList
from cryptable.cost.rates import machine_rates
from cryptable.errors import UnsupportedModelError
from cryptable.graphs.graph import TreeEnsemble
from cryptable.planner.approximation.approximations import approximations, cut_down
from cryptable.planner.planned_model import PlannedModel, PlannedTrees, TreeDraft
from cryptable.planner.registry import Task, planner
from cryptable.planner.trees.plan import cheapest_draft, plan_trees

_OBLIVIOUS_WIDTH = 4
"""Bits of a lookup of an oblivious tree as deep as those that are advised."""
_NARROWER = 2
"""Bits by which tables of smaller trees may be narrower than those of the plan."""


def approximate(graph: TreeEnsemble, task: Task) -> list[TreeEnsemble]:
    """Trees within the budget of the task: these themselves, where they are, else pruned ones.

    Raises:
        BudgetError: there are none.
    """
    budget = task.settings.budget
    if budget is None:
        return [graph]
    graph = cut_down(graph, task.rows)
    widths, prices, rates = task.widths, task.prices, machine_rates()
    draft = cheapest_draft(graph, widths, prices)
    near = tuple(width for width in widths if draft.width - 1 <= width <= draft.width)
    with progress_bar("approximating within the budget", enabled=task.settings.show_progress) as report:
        return approximations(
            graph,
            task.rows,
            task.reference,
            budget=budget,
            own=prices.estimate(draft, rates),
            cost_of=lambda trees: prices.estimate(cheapest_draft(trees, near, prices), rates),
            progress=report,
        )


@planner(
    TreeEnsemble,
    kind="a model of trees",
    cheaper="fewer or shallower trees cost less in proportion to their leaves: explain() estimates training options, "
    "and budget= prunes",
    approximate=approximate,
)
def plan(graph: TreeEnsemble, task: Task) -> PlannedModel:
    """Remembers the trees, for advice."""
    with progress_bar("planning lookups", enabled=task.settings.show_progress) as report:
        planned = plan_trees(
            graph,
            tolerance=task.tolerance,
            prices=task.prices,
            widths=task.widths,
            keeps_ties=task.keeps_ties,
            progress=report,
        )
    width = max((node.width for node in planned.circuit.nodes if isinstance(node, Lookup)), default=0)
    return replace(planned, trees=planned_trees(graph, task, width=width))


@dataclass(frozen=True, eq=False)
class _Drafts:
    """Drafts of plans. It is kept with a planned model, without calibration data, and pickled with it."""

    widths: tuple[int, ...]
    prices: PriceList

    def __call__(self, trees: TreeEnsemble) -> TreeDraft | None:
        try:
            found = cheapest_draft(trees, self.widths, self.prices)
        except UnsupportedModelError:
            return None
        return TreeDraft(self.prices.draft(found), lookups=found.lookups, table_bits=found.width)


def planned_trees(graph: TreeEnsemble, task: Task, *, width: int) -> PlannedTrees:
    """With what drafts others for the same task, as if a plan of this one had tables of at most `width` bits."""
    near = tuple(each for each in task.widths if 0 <= max(width, _OBLIVIOUS_WIDTH) - each <= _NARROWER) or task.widths
    return PlannedTrees(graph, _Drafts(near, task.prices), TreeDraft(task.prices.draft(Draft(lookups=0, width=0))))
