"""Compiling within a budget: the best of several approximations, and again where a compiled model costs too much."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy.typing as npt

from cryptable.compiled.compiled_model import CompiledModel
from cryptable.cost.prices import Cost
from cryptable.errors import BudgetError
from cryptable.graphs.client_side import ClientSide
from cryptable.graphs.graph import Estimator, ModelGraph, Rows
from cryptable.planner.approximation.score_drop import judge
from cryptable.planner.budget import Budget
from cryptable.planner.planned_model import PlannedModel

_ATTEMPTS = 4


def best_plan(
    plans: Iterable[PlannedModel], graph: ModelGraph, estimator: Estimator, rows: Rows, truth: npt.ArrayLike | None
) -> PlannedModel:
    """The plan that scores best on the calibration data, with what it gives up; no error bound of the model holds."""
    judged = []
    for plan in plans:
        decoder = graph.decoder(plan.decoder) if isinstance(graph, ClientSide) else plan.decoder
        given_up = judge(plan.circuit, plan.features, decoder, estimator, rows, truth)
        judged.append((given_up.after, replace(plan, given_up=given_up, error_bound=None, contribution_error=None)))
    return max(judged, key=lambda pair: pair[0])[1]


def within_budget(budget: Budget | None, compiled: Callable[[Budget | None], CompiledModel]) -> CompiledModel:
    """What `compiled` makes within the budget.

    Plans go by estimates of what crypto parameters will cost: where those were too low, a smaller budget is tried.

    Raises:
        BudgetError: several times what came out cost too much.
    """
    wanted = budget
    for _ in range(_ATTEMPTS):
        model = compiled(wanted)
        if budget is None or wanted is None:
            return model
        facts = model.explain()
        cost = Cost(facts.cpu_seconds_predicted, facts.lookups, facts.bytes.input_row)
        if budget.allows(cost):
            return model
        wanted = wanted.tightened(budget, cost)
    raise BudgetError(f"no approximation was found within {budget}: the last that was tried takes {cost}")
