"""Plans models of trees for the scheme levelled, for the registry: as they are, and approximated within a budget."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from cryptable_engine import Rotation
from cryptable_protocol import InternalError
from cryptable_protocol.schemes.levelled.linear_parameters import LinearParameters
from cryptable_protocol.schemes.scheme import LEVELLED

from cryptable.console.progress import progress_bar
from cryptable.cost.levelled import LevelledPrices, linear_seconds, seconds_of, turns_of
from cryptable.cost.prices import Cost
from cryptable.cost.rates import machine_rates
from cryptable.errors import UnsupportedModelError
from cryptable.graphs.contributions import contributions, features_asked
from cryptable.graphs.graph import TreeEnsemble
from cryptable.graphs.path_attribution import counted
from cryptable.planner.approximation.approximations import approximations, cut_down
from cryptable.planner.levelled.contributions import check_room
from cryptable.planner.levelled.parameters import choose_parameters
from cryptable.planner.levelled.plan import plan_products
from cryptable.planner.levelled.search import SEARCH_WORK
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
    explains=True,
)
def plan(graph: TreeEnsemble, task: Task) -> PlannedModel:
    """Products of bits, chosen by price."""
    with progress_bar("planning products", enabled=task.settings.show_progress) as report:
        planned = _planned(graph, task, progress=report)
    return replace(planned, trees=planned_trees(graph, task))


@dataclass(frozen=True, eq=False)
class _Drafts:
    """Plans that are not searched for. Kept with a planned model, without calibration data, and pickled with it."""

    tolerance: float
    prices: LevelledPrices
    keeps_ties: bool

    def __call__(self, trees: TreeEnsemble) -> TreeDraft | None:
        try:
            planned = plan_products(
                trees, tolerance=self.tolerance, prices=self.prices, work=0, keeps_ties=self.keeps_ties, turns=True
            )
        except UnsupportedModelError:
            return None
        return TreeDraft(self.prices.circuit(planned.circuit), products=planned.circuit.products)


def planned_trees(graph: TreeEnsemble, task: Task) -> PlannedTrees:
    """With what drafts others for the same task, but for contributions, which take no products more."""
    prices = _prices(task)
    return PlannedTrees(graph, _Drafts(task.tolerance, prices, task.keeps_ties), TreeDraft(prices.sum_of_bits))


def _cost(graph: TreeEnsemble, task: Task) -> Cost:
    """Of a plan that is not searched for; infinite where the scheme cannot evaluate the trees."""
    try:
        planned = _planned(graph, task, work=0)
        circuit = planned.circuit
        parameters = choose_parameters(circuit, p_error=task.prices.p_error, names=len(planned.decoder.contributions))
    except UnsupportedModelError:
        return Cost(math.inf, 0, 0)
    seconds = (
        linear_seconds(parameters)
        if isinstance(parameters, LinearParameters)
        else seconds_of(parameters, circuit.products - turns_of(circuit), turns_of(circuit))
    )
    return Cost(seconds * machine_rates().levelled_pace, 0, parameters.row_bytes)


def _planned(
    graph: TreeEnsemble, task: Task, *, work: int = SEARCH_WORK, progress: Callable[[float], None] | None = None
) -> PlannedModel:
    """With contributions, where the task asks for them; with tables, where that is cheaper and exact enough."""
    told = None
    if task.settings.explain:
        check_room(graph.outputs, len(features_asked(graph)))
        graph = counted(graph, task.rows)
        told = contributions(graph)
    make = partial(
        plan_products,
        graph,
        tolerance=task.tolerance,
        prices=_prices(task),
        work=work,
        keeps_ties=task.keeps_ties,
        told=told,
        progress=progress,
    )
    planned = make(turns=True)
    if any(isinstance(node, Rotation) for node in planned.circuit.nodes):
        try:
            choose_parameters(planned.circuit, p_error=task.prices.p_error, names=len(planned.decoder.contributions))
        except UnsupportedModelError:  # of noise or of room: products may fit
            return make(turns=False)
    return planned


def _prices(task: Task) -> LevelledPrices:
    if not isinstance(task.prices, LevelledPrices):
        raise InternalError(f"prices of class {type(task.prices).__name__}, expected the scheme levelled's")
    return task.prices
