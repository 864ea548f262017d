"""Plans linear, quadratic and curve models for the scheme levelled: the circuits of sums, with their weights hidden."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from cryptable_engine import Circuit
from cryptable_protocol.schemes.scheme import LEVELLED

from cryptable.errors import ConstantModelError, UnsupportedModelError
from cryptable.graphs.curves import CurveModel
from cryptable.graphs.graph import LinearModel
from cryptable.graphs.quadratic import QuadraticModel
from cryptable.planner.curves import plan_curves
from cryptable.planner.levelled.parameters import choose_parameters
from cryptable.planner.linear import DEFAULT_INPUT_BITS, plan_linear
from cryptable.planner.planned_model import PlannedModel
from cryptable.planner.quadratic import CLOSER, as_exact_as_can_be, plan_quadratic
from cryptable.planner.registry import Task, planner

_CHEAPER = "fewer features and scores cost less, and a larger tolerance= does"
_MOST_DOUBLINGS = 12
"""Of a tolerance that nobody asked for."""


@planner(LinearModel, scheme=LEVELLED, kind="a linear model", cheaper=_CHEAPER)
def plan(graph: LinearModel, task: Task) -> PlannedModel:
    """One integer a feature, one matrix."""
    bits = task.settings.input_bits or DEFAULT_INPUT_BITS
    is_fixed = task.settings.input_bits is not None
    return _within_room(lambda each: plan_linear(graph, task.rows, tolerance=each, input_bits=bits), task, is_fixed)


@planner(
    QuadraticModel,
    scheme=LEVELLED,
    kind="a quadratic model",
    cheaper=_CHEAPER,
    closer=CLOSER,
    tolerance=as_exact_as_can_be,
)
def plan_squares(graph: QuadraticModel, task: Task) -> PlannedModel:
    """A level and a product of levels a feature."""
    planned = replace(plan_quadratic(graph, task.rows, tolerance=task.tolerance), scheme="levelled")
    _check_room(planned.circuit, task)
    return planned


@planner(CurveModel, scheme=LEVELLED, kind="a model of curves", cheaper=_CHEAPER)
def plan_of_curves(graph: CurveModel, task: Task) -> PlannedModel:
    """A line, a curve or bits a feature."""
    bits = task.settings.input_bits or DEFAULT_INPUT_BITS
    is_fixed = task.settings.input_bits is not None
    return _within_room(lambda each: plan_curves(graph, task.rows, tolerance=each, input_bits=bits), task, is_fixed)


def _within_room(make: Callable[[float], PlannedModel], task: Task, is_fixed: bool) -> PlannedModel:
    """A plan that some parameters suit; a tolerance that nobody asked for grows until there are any.

    Raises:
        UnsupportedModelError: there are none.
    """
    tolerance = task.tolerance
    for _ in range(_MOST_DOUBLINGS):
        try:
            planned = replace(make(tolerance), scheme="levelled")
            _check_room(planned.circuit, task)
        except ConstantModelError:
            raise
        except UnsupportedModelError:
            if task.settings.tolerance is not None or is_fixed:
                raise
            tolerance *= 2
        else:
            return planned
    raise UnsupportedModelError(
        f"scheme 'levelled': too many features and scores, even with a tolerance of {tolerance:.3g}; use "
        "hide_weights=False"
    )


def _check_room(circuit: Circuit, task: Task) -> None:
    choose_parameters(circuit, p_error=task.prices.p_error)
