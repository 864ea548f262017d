"""The first half of compiling an estimator: imported, verified, and planned as a circuit, without crypto parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import get_args

import numpy.typing as npt
from cryptable_engine import verify
from cryptable_protocol import InternalError, InvalidInputError, ThermometerEncoder

from cryptable.compiling.within_budget import best_plan
from cryptable.console.progress import progress_bar
from cryptable.cost.rates import machine_rates
from cryptable.graphs.additive import AdditiveModel
from cryptable.graphs.curves import MixedModel
from cryptable.graphs.graph import AdditiveTrees, Estimator, FloatArray, LinearModel, ModelGraph, Rows
from cryptable.graphs.neighbors import NeighborsModel
from cryptable.graphs.quadratic import QuadraticModel
from cryptable.importers import import_estimator
from cryptable.importers.calibration import columns_that_may_miss, read_rows
from cryptable.importers.reading.learned_trees import restrict_missing
from cryptable.importers.registry import find_importer, reference_scores
from cryptable.importers.verification import verify_import
from cryptable.planner.additive import plan_additive
from cryptable.planner.approximation.budget import Budget, approximations
from cryptable.planner.curves import plan_mixed
from cryptable.planner.linear import plan_linear
from cryptable.planner.neighbors import SIGN_BITS, plan_neighbors
from cryptable.planner.networks import Rounding, is_trained
from cryptable.planner.quadratic import plan_quadratic
from cryptable.planner.readout import Readout, approximate
from cryptable.planner.thresholds.grid import MOST_BINS, Edges, EdgesTold, snap
from cryptable.planner.thresholds.whole_grid import send_whole_grid
from cryptable.planner.tolerance import default_tolerance
from cryptable.planner.trees.lower import PlannedModel, PlannedTrees
from cryptable.planner.trees.plan import WIDTHS, plan_trees

DEFAULT_INPUT_BITS = 20
"""Of a feature of a linear model."""


def plan(
    estimator: Estimator,
    X_train: Rows,
    *,
    tolerance: float | None = None,
    table_bits: int | None = None,
    input_bits: int = DEFAULT_INPUT_BITS,
    edges: Edges = "model",
    bins: int = 64,
    missing: str | Sequence[str] = "seen",
    rounding: Rounding = "approximate",
    readout: Readout = "exact",
    p_error: float = 2.0**-40,
    one_level: bool | None = None,
    budget: Budget | None = None,
    y_train: npt.ArrayLike | None = None,
    show_progress: bool = False,
) -> PlannedModel:
    """The first half of `compile`, with its arguments: the circuit, without crypto parameters; all that it raises.

    `one_level` says which kind of keys trees are planned for, as `plan_trees` does.
    """
    _check_options(tolerance, table_bits, input_bits, bins)
    if readout not in get_args(Readout):
        raise InvalidInputError(f"readout is {readout!r}, expected 'exact' or 'approximate'")
    if is_trained(estimator):
        from cryptable.planner.networks.trained_integers import plan_trained

        return plan_trained(
            estimator, X_train, rounding=rounding, readout=readout, tolerance=tolerance, p_error=p_error
        )
    what = type(estimator).__name__
    takes_gaps = find_importer(estimator).takes_gaps
    kept, rows, feature_names = read_rows(estimator, X_train, with_gaps=takes_gaps)
    graph = import_estimator(estimator, feature_names, kept, rows)
    if isinstance(graph, AdditiveTrees):
        graph = restrict_missing(graph, columns_that_may_miss(missing, rows, feature_names) if takes_gaps else ())
    reference = reference_scores(estimator, kept)
    verify_import(graph, rows, reference, what=what)
    if tolerance is None:
        tolerance = default_tolerance(graph, reference)
    snapped = None if isinstance(edges, str) and edges == "model" else snap(graph, rows, edges, bins=bins)
    if budget is not None and snapped is not None:
        raise InvalidInputError(f"edges is {edges!r}, expected 'model' with a budget, which merges thresholds itself")

    def planned_of(graph: ModelGraph) -> PlannedModel:
        return _plan_graph(
            graph, rows, tolerance, table_bits, input_bits, p_error, one_level=one_level, show_progress=show_progress
        )

    if budget is not None and isinstance(graph, AdditiveTrees):
        widths = WIDTHS if table_bits is None else (table_bits,)
        with progress_bar("approximating within the budget", enabled=show_progress) as report:
            found = approximations(
                graph,
                rows,
                reference,
                budget=budget,
                widths=widths,
                rates=machine_rates(),
                p_error=p_error,
                progress=report,
            )
        planned = planned_of(graph) if found == [graph] else best_plan(map(planned_of, found), estimator, kept, y_train)
    else:
        planned = planned_of(snapped.graph if snapped else graph)
    if snapped:
        planned = replace(send_whole_grid(planned, snapped.grid), edges=snapped.told)
    elif any(isinstance(feature, ThermometerEncoder) for feature in planned.features):
        planned = replace(planned, edges=EdgesTold("model"))
    if readout == "approximate":
        planned = approximate(planned, tolerance=tolerance, p_error=p_error)
    verify(planned.circuit)
    return planned


def _plan_graph(
    graph: ModelGraph,
    rows: FloatArray,
    tolerance: float,
    table_bits: int | None,
    input_bits: int,
    p_error: float,
    *,
    one_level: bool | None,
    show_progress: bool,
) -> PlannedModel:
    if isinstance(graph, AdditiveTrees):
        widths = WIDTHS if table_bits is None else (table_bits,)
        with progress_bar("planning lookups", enabled=show_progress) as report:
            planned = plan_trees(
                graph, tolerance=tolerance, widths=widths, p_error=p_error, one_level=one_level, progress=report
            )
        return replace(planned, trees=PlannedTrees(graph, widths))
    if isinstance(graph, AdditiveModel):
        widths = WIDTHS if table_bits is None else (table_bits,)
        with progress_bar("planning lookups", enabled=show_progress) as report:
            return plan_additive(graph, tolerance=tolerance, widths=widths, p_error=p_error, progress=report)
    if isinstance(graph, MixedModel):
        return plan_mixed(graph, rows, tolerance=tolerance, input_bits=input_bits)
    if isinstance(graph, QuadraticModel):
        return plan_quadratic(graph, rows, tolerance=tolerance)
    if isinstance(graph, NeighborsModel):
        with progress_bar("planning comparisons", enabled=show_progress) as report:
            bits = table_bits or SIGN_BITS
            return plan_neighbors(graph, rows, tolerance=tolerance, sign_bits=bits, progress=report)
    if isinstance(graph, LinearModel):
        return plan_linear(graph, rows, tolerance=tolerance, input_bits=input_bits)
    raise InternalError(f"no planner for {type(graph).__name__}")


def _check_options(tolerance: float | None, table_bits: int | None, input_bits: int, bins: int) -> None:
    if tolerance is not None and not 0 < tolerance < float("inf"):
        raise InvalidInputError(f"tolerance is {tolerance}, expected a positive number, in the unit of the scores")
    if table_bits is not None and table_bits not in WIDTHS:
        raise InvalidInputError(f"table_bits is {table_bits}, expected one of {', '.join(map(str, WIDTHS))}")
    if not 1 <= input_bits <= 24:
        raise InvalidInputError(f"input_bits is {input_bits}, expected 1 to 24")
    if not 2 <= bins <= MOST_BINS:
        raise InvalidInputError(f"bins is {bins}, expected 2 to {MOST_BINS}")
