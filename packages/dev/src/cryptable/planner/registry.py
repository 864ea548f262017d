"""The registry of planners: which function plans which model graph, and how messages speak of that kind of model.

A new kind of model graph is a new module in this package or in a folder of it, with a function under `@planner(Graph)`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias, TypeVar

import numpy.typing as npt
from cryptable_protocol import InternalError
from cryptable_protocol.schemes.scheme import BOOTSTRAPPED

from cryptable.cost.prices import PriceList
from cryptable.errors import UnsupportedModelError
from cryptable.graphs.client_side import planned_graph
from cryptable.graphs.graph import FloatArray, ModelGraph
from cryptable.planner.planned_model import PlannedModel
from cryptable.planner.settings import PlanSettings
from cryptable.planner.tolerance import by_link

SCORES = "score"
Graph: TypeAlias = Any
"""Of the class that the planner is registered for."""


@dataclass(frozen=True, eq=False)
class Task:
    """What a model graph is planned for: calibration data, shape (rows, features), and how exact and cheap it is to be.

    `tolerance` is the largest error of a score; `reference` are the model's own scores, shape (rows, outputs), and
    `truth` are the labels or targets of the rows, where they are known. `keeps_ties`: scores that are equal are to stay
    so, wherever rounding can see to that.
    """

    rows: FloatArray
    reference: FloatArray
    tolerance: float
    prices: PriceList
    settings: PlanSettings
    truth: npt.NDArray[Any] | None = None
    keeps_ties: bool = False

    @property
    def widths(self) -> tuple[int, ...]:
        """Of tables, to choose from, in bits."""
        return self.settings.widths or self.prices.widths


CLOSER = (
    "a lower tolerance= brings it nearer, where rows are close calls, and edges='model' where thresholds were moved"
)

Plan: TypeAlias = Callable[[Graph, Task], PlannedModel]
Tolerance: TypeAlias = Callable[[Graph, FloatArray], float]
Approximate: TypeAlias = Callable[[Graph, Task], list[Graph]]
Compared: TypeAlias = Callable[[Graph], bool]


@dataclass(frozen=True)
class Planner:
    """How one class of model graphs is planned for one scheme.

    `kind` is what messages call such models, `cheaper` says what makes one of them cheaper, `closer` what
    brings its answers nearer to the model's own. `tolerance` is the one of a
    score where none is asked for, by graph and scores on the calibration data. `approximate` finds graphs that are
    within a budget: the graph itself where that is, else several approximations of it; None where there is no such way.
    `compared` says of which graphs scheme="auto" weighs its plan against those of other schemes; None where it is the
    cheapest of those that are able, or the only one.
    `explains` says whether it plans circuits that answer contributions beside scores. `answers` is "score", or "label"
    of a planner of circuits that answer labels instead. `least_labels` is the share of labels like the model's own
    below which `compile` warns; None where that is plain from whether a bound of its scores holds.
    """

    graph: type
    plan: Plan
    kind: str
    cheaper: str
    tolerance: Tolerance
    approximate: Approximate | None
    scheme: str = BOOTSTRAPPED
    closer: str = CLOSER
    compared: Compared | None = None
    explains: bool = False
    answers: str = SCORES
    least_labels: float | None = None


_by_class: dict[tuple[type, str, str], Planner] = {}
Function = TypeVar("Function", bound=Plan)


def planner(
    graph: type,
    *,
    kind: str,
    cheaper: str,
    tolerance: Tolerance = by_link,
    approximate: Approximate | None = None,
    scheme: str = BOOTSTRAPPED,
    closer: str = CLOSER,
    compared: Compared | None = None,
    explains: bool = False,
    answers: str = SCORES,
    least_labels: float | None = None,
) -> Callable[[Function], Function]:
    """Register the decorated function for a class of model graphs; arguments as `Planner` has them.

    Raises:
        ValueError: a class that already has a planner for the scheme and such answers.
    """

    def register(plan: Function) -> Function:
        if (graph, scheme, answers) in _by_class:
            raise ValueError(f"{graph.__name__} has two planners; the second one is in {plan.__module__}")
        _by_class[graph, scheme, answers] = Planner(
            graph,
            plan,
            kind,
            cheaper,
            tolerance,
            approximate,
            scheme,
            closer,
            compared,
            explains,
            answers,
            least_labels,
        )
        return plan

    return register


def find_planner(graph: ModelGraph, scheme: str = BOOTSTRAPPED, answers: str = SCORES) -> Planner:
    """The planner of a model graph's class for a scheme and a kind of answers.

    Raises:
        UnsupportedModelError: another scheme than this one plans such models, or none plans such answers of them; says
            which kind they are.
    """
    found = able_planner(graph, scheme, answers)
    if found is not None:
        return found
    others = [each for each in planners() if each.graph is type(planned_graph(graph))]
    if not others:
        raise InternalError(f"no planner for {type(planned_graph(graph)).__name__}")
    able = ", ".join(sorted({each.kind for each in planners(answers) if each.scheme == scheme}))
    if answers != SCORES:
        raise UnsupportedModelError(
            f'labels, and predictions in levels, are answered of {able}, not of {others[0].kind}; leave answer="score"'
        )
    raise UnsupportedModelError(
        f"scheme {scheme!r} does not evaluate {others[0].kind}, only {able}; leave scheme='auto', or use "
        f"scheme={others[0].scheme!r}"
    )


def able_planner(graph: ModelGraph, scheme: str, answers: str = SCORES) -> Planner | None:
    """The planner of a model graph's class for a scheme and a kind of answers, where there is one."""
    _discover()
    return _by_class.get((type(planned_graph(graph)), scheme, answers))


def planners(answers: str = SCORES) -> tuple[Planner, ...]:
    """Every planner of such answers once, by the name of its graph's class and its scheme."""
    _discover()
    found = (each for each in _by_class.values() if each.answers == answers)
    return tuple(sorted(found, key=lambda each: (each.graph.__name__, each.scheme)))


@cache
def _discover() -> None:
    package = importlib.import_module("cryptable.planner")
    for module in pkgutil.walk_packages(package.__path__, "cryptable.planner."):
        importlib.import_module(module.name)
