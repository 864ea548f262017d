"""Plans models of trees for the scheme levelled, for the registry: as they are, and approximated within a budget."""

from __future__ import annotations

import math
from dataclasses import replace

from cryptable_protocol import InternalError
from cryptable_protocol.schemes.scheme import LEVELLED

from cryptable.console.progress import progress_bar
from cryptable.cost.levelled import LevelledPrices, seconds_of
from cryptable.cost.prices import Cost
from cryptable.errors import UnsupportedModelError
from cryptable.graphs.graph import TreeEnsemble
from cryptable.planner.approximation.approximations import approximations, cut_down
from cryptable.planner.levelled.parameters import choose_parameters
from cryptable.planner.levelled.plan import plan_products
from cryptable.planner.planned_model import PlannedModel, PlannedTrees, TreeDraft
from cryptable.planner.registry import Task, planner


def approximate(graph: TreeEnsemble, task: Task) -> list[TreeEnsemble]:
    """Trees within the budget of the task: these themselves, where they are, else pruned ones.

    Raises:
        BudgetError: there are none.
    """
    budget = task.settings.budget
    if budget is None:
        return [graph]
    graph = cut_down(graph, task.rows)
    with progress_bar("approximating within the budget", enabled=task.settings.show_progress) as report:
        return approximations(
            graph,
            task.rows,
            task.reference,
            budget=budget,
            own=_cost(graph, task),
            cost_of=lambda trees: _cost(trees, task),
            progress=report,
        )


@planner(
    TreeEnsemble,
    scheme=LEVELLED,
    kind="a model of trees",
    cheaper="fewer or shallower trees cost less in proportion to their splits: explain() estimates training options, "
    "and budget= prunes",
    approximate=approximate,
)
def plan(graph: TreeEnsemble, task: Task) -> PlannedModel:
    """Products of bits, chosen by price."""
    prices = _prices(task)
    with progress_bar("planning products", enabled=task.settings.show_progress) as report:
        planned = plan_products(
            graph, tolerance=task.tolerance, prices=prices, keeps_ties=task.keeps_ties, progress=report
        )

    return replace(planned, trees=planned_trees(graph, task))


def planned_trees(graph: TreeEnsemble, task: Task) -> PlannedTrees:
    """With what drafts others for the same task, by plans that are not searched for."""
    prices = _prices(task)

    def draft(trees: TreeEnsemble) -> TreeDraft | None:
        try:
            circuit = plan_products(trees, tolerance=task.tolerance, prices=prices, work=0).circuit
        except UnsupportedModelError:
            return None
        return TreeDraft(prices.circuit(circuit), products=circuit.products)

    return PlannedTrees(graph, draft, TreeDraft(prices.sum_of_bits))


def _cost(graph: TreeEnsemble, task: Task) -> Cost:
    """Of a plan that is not searched for; infinite where the scheme cannot evaluate the trees."""
    try:
        circuit = plan_products(graph, tolerance=task.tolerance, prices=_prices(task), work=0).circuit
        parameters = choose_parameters(circuit, p_error=task.prices.p_error)
    except UnsupportedModelError:
        return Cost(math.inf, 0, 0)
    return Cost(seconds_of(parameters, circuit.products), 0, parameters.row_bytes)


def _prices(task: Task) -> LevelledPrices:
    if not isinstance(task.prices, LevelledPrices):
        raise InternalError(f"prices of class {type(task.prices).__name__}, expected the scheme levelled's")
    return task.prices
