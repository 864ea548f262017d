"""The first half of compiling: a model is imported, verified, and planned as a circuit, without crypto parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from cryptable_engine import CircuitError, verify
from cryptable_protocol import InvalidInputError, ThermometerEncoder

from cryptable.compiling.agreement import LEAST_LABELS, check_tolerance, measured, of_labels, of_levels
from cryptable.compiling.cheapest import cheapest, first_able
from cryptable.compiling.scheme_choice import is_compared, settings_to_try
from cryptable.compiling.settings import CompileSettings
from cryptable.compiling.size import check_size
from cryptable.compiling.within_budget import best_plan
from cryptable.cost.prices import PriceList
from cryptable.errors import BudgetError, ConstantModelError, UnsupportedModelError
from cryptable.graphs.client_side import ClientSide
from cryptable.graphs.graph import Estimator, ModelGraph, Rows
from cryptable.graphs.integer_squares import TrainedSquares
from cryptable.graphs.kernels import KernelMachine
from cryptable.graphs.mixture import Mixture
from cryptable.graphs.neighbors import NeighborsModel
from cryptable.graphs.network import SegmentedNetwork
from cryptable.graphs.pair_votes import PairVotes
from cryptable.graphs.quadratic_forms import QuadraticForms
from cryptable.graphs.trained_integers import TrainedIntegers
from cryptable.importers.imported_model import ImportedModel, import_model
from cryptable.importers.networks import is_network
from cryptable.planner.planned_model import PlannedModel, ThresholdDisclosure
from cryptable.planner.readout import approximate
from cryptable.planner.registry import SCORES, Plan, Planner, Task, find_planner, planners
from cryptable.planner.thresholds.grid import snap
from cryptable.planner.thresholds.whole_grid import disclose_whole_grid
from cryptable.planner.ties import plan_keeping_ties, plan_keeping_ties_of_sums

_DEFAULT = CompileSettings()
_WITHOUT_BOUND = SegmentedNetwork | TrainedIntegers | TrainedSquares | QuadraticForms | KernelMachine
"""Graphs whose scores' errors are measured on calibration data."""
_LEAST_APART = 1e-11
_LARGEST = 1e250
_FINER = (4.0, 16.0)
"""By how much a plan may be finer, one after the other."""
_HARDLY_MORE = 1.1
"""Times the price of a plan that changes labels: what one that changes fewer may cost."""


def plan(model: Estimator, X_train: Rows, settings: CompileSettings = _DEFAULT) -> PlannedModel:
    """The circuit of a model, with its encoders and decoder; takes what `compile` takes, raises what that does."""
    imported, truth = imported_for(model, X_train, settings)
    tries, make = settings_to_try(imported.graph, settings), partial(plan_imported, imported, truth)
    if len(tries) > 1 and is_compared(imported.graph):
        return cheapest(tries, make, lambda planned, _: planned)
    return first_able(tries, make)


def imported_for(
    model: Estimator, X_train: Rows, settings: CompileSettings
) -> tuple[ImportedModel, npt.NDArray[Any] | None]:
    """A model that can be planned with these settings, and the truth of its rows, where that is given.

    Raises:
        BudgetError: there is a budget, and nothing approximates this kind of model.
        InvalidInputError: another number of labels than of rows, or what `import_model` raises.
    """
    accept = check_size if settings.budget is None else None
    imported = import_model(model, X_train, labels=settings.labels, missing=settings.missing, accept=accept)
    planner = find_planner(imported.graph, settings_to_try(imported.graph, settings)[0].scheme, settings.answers)
    if settings.budget is not None and planner.approximate is None:
        raise BudgetError(
            f"budget= is not for {imported.what}, {planner.kind}: only models of trees are approximated. Leave it out; "
            f"{planner.cheaper}"
        )
    if settings.y_train is None:
        return imported, None
    truth = np.asarray(settings.y_train)
    count = _row_count(model, X_train)
    if truth.shape[:1] != (count,):
        raise InvalidInputError(f"y_train has shape {truth.shape}, X_train has {count} rows")
    return imported, truth[: len(imported.rows)]


def _row_count(model: Estimator, X_train: Rows) -> int:
    if isinstance(X_train, Mapping):  # of columns, or of the inputs of a network
        X_train = next(iter(X_train.values()))
    elif isinstance(X_train, tuple) and is_network(model) and hasattr(X_train[0], "shape"):
        X_train = X_train[0]
    return len(X_train) if hasattr(X_train, "__len__") else int(X_train.shape[0])


def plan_imported(imported: ImportedModel, truth: npt.NDArray[Any] | None, settings: CompileSettings) -> PlannedModel:
    """The circuit of an imported model, verified.

    Args:
        imported: that `settings` go with.
        truth: labels or targets of its rows, to judge approximations by.
        settings: all of them, of one scheme.
    """
    planner = find_planner(imported.graph, settings.scheme, settings.answers)
    _check_range(imported)
    if settings.answers != SCORES and isinstance(imported.graph, ClientSide):
        raise UnsupportedModelError(
            f"answer={settings.answer!r} is not for {imported.what}: clients make its predictions of several scores; "
            'leave answer="score"'
        )
    if settings.explain and (not planner.explains or isinstance(imported.graph, Mixture | PairVotes)):
        raise _explains_nothing(imported, planner)
    tolerance = settings.tolerance
    if tolerance is None:
        tolerance = planner.tolerance(imported.graph, imported.reference)
    make = partial(_with_agreement, planner, imported, truth, settings)
    try:
        planned = _of_several_targets(planner, imported, make, tolerance, settings)
    except ConstantModelError as error:
        if settings.answers == SCORES and (message := _too_rough(imported, tolerance)):
            raise ConstantModelError(message) from error
        raise
    has_finer = isinstance(imported.graph, ClientSide) and not isinstance(imported.graph.graph, _WITHOUT_BOUND)
    has_finer |= planned.error_bound is not None
    if settings.tolerance is None and settings.answers == SCORES and has_finer:
        planned = _with_own_labels(planned, make, tolerance, settings.prices)
    try:
        verify(planned.circuit)
    except CircuitError as error:
        if np.ptp(imported.reference) > 0:
            raise
        raise ConstantModelError(f"{imported.what} gives the same scores for every row of X_train") from error
    return planned


def _of_several_targets(
    planner: Planner,
    imported: ImportedModel,
    make: Callable[[float], PlannedModel],
    tolerance: float,
    settings: CompileSettings,
) -> PlannedModel:
    """A plan as fine as the target that varies least needs, or where none is so fine, the one that varies most.

    All targets have one step. `compile` warns where it is too coarse for one of them.
    """
    try:
        return make(tolerance)
    except UnsupportedModelError:
        deviations = imported.reference.std(axis=0)
        if settings.tolerance is not None or imported.graph.labels is not None or deviations.size < 2:
            raise
        wider = planner.tolerance(imported.graph, imported.reference[:, [int(np.argmax(deviations))]])
        if wider <= tolerance:
            raise
        return make(wider)


def _check_range(imported: ImportedModel) -> None:
    """Refuse a regression whose predictions doubles hardly tell apart, or hardly hold.

    Raises:
        UnsupportedModelError: they differ by less than 10^-11 of their size, or are beyond 10^250.
    """
    if imported.graph.labels is not None:
        return
    largest = float(np.abs(imported.reference).max())
    apart = float(np.ptp(imported.reference, axis=0).max())
    if 0 < apart <= _LEAST_APART * largest:
        raise UnsupportedModelError(
            f"the scores of {imported.what} on X_train differ by {apart:.3g} at most, around {largest:.6g}, which is "
            "hardly more than doubles tell apart; subtract the mean from the target before fitting, and let clients "
            "add it"
        )
    if largest > _LARGEST:
        raise UnsupportedModelError(
            f"the scores of {imported.what} are up to {largest:.3g} on X_train, near the end of doubles; fit it on the "
            "target in a larger unit"
        )


def _too_rough(imported: ImportedModel, tolerance: float) -> str:
    """Of scores that vary by so little that rounding makes them one; empty where they do not vary at all."""
    lowest, highest = imported.reference.min(axis=0), imported.reference.max(axis=0)
    most = int(np.argmax(highest - lowest))
    if highest[most] == lowest[most]:
        return ""
    return (
        f"the scores of {imported.what} range from {lowest[most]:.6g} to {highest[most]:.6g} on X_train, which a "
        f"tolerance of {tolerance:.3g} does not tell apart; lower tolerance="
    )


def _with_own_labels(
    planned: PlannedModel, make: Callable[[float], PlannedModel], tolerance: float, prices: PriceList
) -> PlannedModel:
    """A plan whose scores are finer, where rounding changes labels and that is hardly more expensive."""
    most = prices.circuit(planned.circuit) * _HARDLY_MORE
    for finer in _FINER:
        if planned.agreement is None or planned.agreement.labels is None or planned.agreement.labels >= LEAST_LABELS:
            break
        try:
            found = make(tolerance / finer)
        except UnsupportedModelError:  # too fine for any circuit
            break
        if prices.circuit(found.circuit) > most:
            break
        if found.agreement is not None and (found.agreement.labels or 0.0) > planned.agreement.labels:
            planned = found
    return planned


def _with_agreement(
    planner: Planner,
    imported: ImportedModel,
    truth: npt.NDArray[Any] | None,
    settings: CompileSettings,
    tolerance: float,
) -> PlannedModel:
    """A plan, and how its answers agree with the model's own, where that is not plain from a bound."""
    whole = imported.graph
    graph, reference = whole, imported.reference
    if isinstance(whole, ClientSide):
        graph, tolerance = whole.graph, whole.inner_tolerance(tolerance, is_asked_for=settings.tolerance is not None)
        reference = graph.scores(imported.rows)
    task = Task(imported.rows, reference, tolerance, settings.prices, settings, truth)
    # Scores that a client works on mean something only then, and so do their ties.
    has_ties = settings.answers == SCORES and not isinstance(whole, ClientSide)
    plan: Plan = partial(plan_keeping_ties, planner.plan) if has_ties else planner.plan
    if settings.answers == SCORES and isinstance(whole, Mixture):
        plan = _of_mixture(planner, whole)
    if settings.moves_edges:
        snapped = snap(graph, imported.rows, settings.edges, bins=settings.bins)
        planned = replace(disclose_whole_grid(plan(snapped.graph, task), snapped.grid), edges=snapped.told)
    else:
        planned = _planned(planner, plan, graph, imported, task)
        if any(isinstance(feature, ThermometerEncoder) for feature in planned.features):
            planned = replace(planned, edges=ThresholdDisclosure("model"))
    if settings.readout == "approximate":
        planned = approximate(planned, tolerance=tolerance, noise_deviation=task.prices.noise_deviation)
    if isinstance(whole, ClientSide):
        bound = None if planned.error_bound is None else whole.error(planned.error_bound)
        planned = replace(planned, decoder=whole.decoder(planned.decoder), error_bound=bound)
    if imported.predicts_column:
        planned = replace(planned, decoder=replace(planned.decoder, column=True))
    if isinstance(graph, NeighborsModel):  # it holds where the same neighbours are found, which it does not say
        planned = replace(planned, error_bound=None)
    if planned.predictions is not None:
        return replace(planned, agreement=of_levels(planned, imported, planned.predictions(imported.reference)))
    if planned.places is not None:
        return replace(planned, agreement=of_labels(planned, imported, planned.places(imported.reference)))
    if whole.labels is not None or reference.shape[1] > 1 or isinstance(graph, _WITHOUT_BOUND | NeighborsModel):
        planned = replace(planned, agreement=measured(planned, imported))
    if isinstance(graph, _WITHOUT_BOUND):
        check_tolerance(planned, settings.tolerance)
    return planned


def _of_mixture(planner: Planner, whole: Mixture) -> Plan:
    """Plans of a mixture's graph, or of an approximation of it."""

    def plan(graph: ModelGraph, task: Task) -> PlannedModel:
        return plan_keeping_ties_of_sums(planner.plan, whole.of(graph), task)

    return plan


def _explains_nothing(imported: ImportedModel, planner: Planner) -> UnsupportedModelError:
    if isinstance(imported.graph, Mixture | PairVotes):
        return UnsupportedModelError(
            f"explain='contributions' is not for {imported.what}, whose predictions clients make of the scores of "
            "several models, or of pairs of labels: compile members one by one, or leave explain=None"
        )
    able = sorted({each.kind for each in planners() if each.explains})
    elsewhere = [each.scheme for each in planners() if each.explains and each.graph is planner.graph]
    if elsewhere:
        return UnsupportedModelError(
            f"scheme {planner.scheme!r} tells no contributions of {planner.kind}, scheme {elsewhere[0]!r} does: leave "
            "scheme='auto' and the options of lookups, or explain=None"
        )
    return UnsupportedModelError(
        f"explain='contributions' is not for {imported.what}, {planner.kind}: contributions are told of "
        f"{', '.join(able)}. Leave explain=None, or fit one of those"
    )


def _planned(planner: Planner, plan: Plan, graph: ModelGraph, imported: ImportedModel, task: Task) -> PlannedModel:
    """The model itself, or within a budget the approximation of it that scores best."""
    if task.settings.budget is None or planner.approximate is None:
        return plan(graph, task)
    found = planner.approximate(graph, task)
    if found == [graph]:
        return plan(graph, task)
    plans = (plan(each, task) for each in found)
    return best_plan(plans, imported.graph, imported.estimator, imported.kept, task.truth)
