"""Rows whose scores tie: the compiled model predicts for them what the model itself does, the first label of equals.

Rounding moves scores by less than the tolerance, and equal ones apart. Where any scores are found to tie, leaves are
rounded so that most ties stay ties; and where that is not enough, the scores of later labels are lowered by as much as
rounding may have raised them, from a plan that is finer by that much.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from cryptable_engine import interpret
from cryptable_protocol import Decoder, encode_rows

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.graph import FloatArray, IntArray, ModelGraph, TreeEnsemble
from cryptable.graphs.mixture import Mixture
from cryptable.graphs.several_kinds import SumOfKinds
from cryptable.planner.planned_model import PlannedModel
from cryptable.planner.registry import Task

MOST_PROBES = 4096
"""Rows that are tried besides the calibration data: one in each cell of the thresholds, where there are no more."""
_MOST_TIED = 1024
_NEAR = 1e-9
"""Scores that differ by less, of their size, tie: sums of the same numbers in another order."""
_FINER = (1.0, 4.0)
"""By how much a mixture's scores may be finer, one after the other, where its ties take that."""
_ON_GRID = 1e-6
"""Of a step: bases that are off the grid by less are on it."""


@dataclass(frozen=True, eq=False)
class Ties:
    """Rows whose highest scores are equal, and the label's place that each is to have, shape (rows,)."""

    rows: npt.NDArray[Any]
    places: IntArray

    def are_kept(self, planned: PlannedModel) -> bool:
        """Whether the circuit's scores choose these labels."""
        values = interpret(planned.circuit, encode_rows(planned.features, self.rows))
        scores = np.asarray(planned.decoder.decision_function(values)).reshape(len(values), -1)
        chosen = scores[:, 0] > planned.decoder.threshold if scores.shape[1] == 1 else scores.argmax(axis=1)
        return bool((chosen == self.places).all())


def plan_keeping_ties(plan: Callable[[ModelGraph, Task], PlannedModel], graph: ModelGraph, task: Task) -> PlannedModel:
    """A plan whose labels are the graph's own where its scores tie; the plan as it is where none do.

    Args:
        plan: of the graph's planner.
        graph: the model; it may be an approximation, whose own ties count.
        task: what it is planned for.
    """
    ties = find_ties(graph, task)
    if ties is None:
        return plan(graph, task)
    task = replace(task, keeps_ties=True)
    planned = plan(graph, task)
    if planned.error_bound is None:  # rounded as no bound says, so that nothing keeps ties
        return planned
    second = isinstance(graph, TreeEnsemble) and graph.tie_is_second
    planned = on_grid(planned, second=second)
    if ties.are_kept(planned):
        return planned
    lowered = 2 * graph.outputs  # the last label's scores may be lowered by so many errors less one
    try:
        finer = plan(graph, replace(task, tolerance=task.tolerance / lowered))
        return lower_later_labels(on_grid(finer), second=second)
    except UnsupportedModelError:  # too fine for any circuit
        return planned


def plan_keeping_ties_of_sums(
    plan: Callable[[ModelGraph, Task], PlannedModel], whole: Mixture, task: Task
) -> PlannedModel:
    """The same of a mixture, whose scores clients make of those that are planned.

    Args:
        plan: of the planner of the mixture's graph.
        whole: the mixture.
        task: what its graph is planned for.
    """
    graph = whole.graph
    trees = graph.trees if isinstance(graph, SumOfKinds) else graph
    if whole.labels is None or not isinstance(trees, TreeEnsemble) or not trees.trees:
        return plan(graph, task)
    rows = np.concatenate([task.rows, probes_of(trees, task.rows)])
    scores = graph.scores(rows)
    near = _NEAR * max(1.0, float(np.abs(scores).max(initial=0.0)))
    combined = whole.of_scores(np.rint(scores / near) * near)  # so that equal ones are equal
    tied = _tied(whole, rows, combined)
    undecided = whole.undecided(scores)
    if not len(tied.rows) and not undecided.any():
        return plan(graph, task)
    chosen = np.flatnonzero(undecided)
    ties = Ties(
        np.concatenate([tied.rows, rows[chosen]])[:_MOST_TIED],
        np.concatenate([tied.places, _chosen(whole, combined[chosen])])[:_MOST_TIED],
    )
    for finer in _FINER:
        planned = on_grid(plan(graph, replace(task, keeps_ties=True, tolerance=task.tolerance / finer)))
        if ties.are_kept(replace(planned, decoder=whole.decoder(planned.decoder))):
            break
    return planned


def _chosen(graph: ModelGraph, scores: FloatArray) -> IntArray:
    """The place of each row's label."""
    if scores.shape[1] == 1:
        chosen = scores[:, 0] > Decoder(graph.link, (0,), 1.0, (0.0,), graph.labels).threshold
    else:
        chosen = scores.argmax(axis=1)
    places: IntArray = chosen.astype(np.int64)
    return places


def find_ties(graph: ModelGraph, task: Task) -> Ties | None:
    """Tied rows among the calibration data and, of trees, in cells between their thresholds; None where none are."""
    if graph.labels is None:
        return None
    found = [_tied(graph, task.rows, task.reference)]
    if isinstance(graph, TreeEnsemble) and graph.trees:
        probes = probes_of(graph, task.rows)
        found.append(_tied(graph, probes, graph.scores(probes)))
    rows = np.concatenate([each.rows for each in found])
    if not len(rows):
        return None
    return Ties(rows[:_MOST_TIED], np.concatenate([each.places for each in found])[:_MOST_TIED])


def probes_of(graph: TreeEnsemble, rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A row in each cell between the thresholds, or in some of them, where there are more than MOST_PROBES.

    Columns of categories, and those that may miss values, have what they have in the calibration data.
    """
    choices = [_choices(graph, feature, rows[:, feature]) for feature in range(len(graph.feature_names))]
    counts = [len(each) for each in choices]
    cells = 1
    for count in counts:
        cells = min(cells * count, MOST_PROBES + 1)
    if cells <= MOST_PROBES:
        places = np.stack(np.unravel_index(np.arange(cells), counts), axis=1)
    else:
        places = np.random.default_rng(0).integers(0, counts, (MOST_PROBES // 2, len(counts)))
    probes = np.empty(places.shape, rows.dtype)
    for feature, values in enumerate(choices):
        probes[:, feature] = values[places[:, feature]]
    return probes


def on_grid(planned: PlannedModel, *, second: bool = False) -> PlannedModel:
    """With scores that are equal doubles where they are equal integers, and the threshold where they are that.

    Where `second`, one score at the threshold is a hair above it, and speaks for the second label.
    """
    decoder = planned.decoder
    origin = decoder.threshold if len(decoder.base) == 1 else 0.0
    steps = np.floor((np.asarray(decoder.base) - origin) / decoder.step + _ON_GRID)
    rest = np.asarray(decoder.base) - origin - steps * decoder.step
    for index in range(rest.size):  # the same double for those that are the same but for rounding
        alike = np.abs(rest - rest[index]) < _ON_GRID * decoder.step
        rest[alike] = rest[np.flatnonzero(alike)[0]]
    at_origin = np.abs(rest) < _ON_GRID * decoder.step
    rest[at_origin] = _ON_GRID * decoder.step if second and rest.size == 1 else 0.0
    offset = np.array(decoder.offset, np.int64)
    offset[: rest.size] += steps.astype(np.int64)
    contribution_base = np.array(decoder.contribution_base, np.int64)
    contribution_base += steps.astype(np.int64)[: contribution_base.size]
    moved = replace(
        decoder,
        offset=tuple(offset.tolist()),
        base=tuple((rest + origin).tolist()),
        contribution_base=tuple(contribution_base.tolist()),
    )
    return replace(planned, decoder=moved)


def lower_later_labels(planned: PlannedModel, *, second: bool = False) -> PlannedModel:
    """With scores of later labels so much lower that rounding raises none above an equal score of an earlier one.

    Where `second`, one score is so much higher instead.
    """
    if planned.error_bound is None:
        return planned
    decoder = planned.decoder
    error = planned.error_bound + 2 * _ON_GRID * decoder.step
    outputs = len(decoder.base)
    lowered = np.array([-error if second else error]) if outputs == 1 else 2 * error * np.arange(outputs)
    base = tuple((np.asarray(decoder.base) - lowered).tolist())
    more = float(np.abs(lowered).max())
    told = None if planned.contribution_error is None else planned.contribution_error + more
    return replace(
        planned,
        decoder=replace(decoder, base=base),
        error_bound=planned.error_bound + more,
        contribution_error=told,
    )


def _tied(graph: ModelGraph, rows: npt.NDArray[Any], scores: FloatArray) -> Ties:
    near = _NEAR * max(1.0, float(np.abs(scores).max(initial=0.0)))
    if scores.shape[1] == 1:
        threshold = Decoder(graph.link, (0,), 1.0, (0.0,), graph.labels).threshold
        tied = np.flatnonzero(np.abs(scores[:, 0] - threshold) <= near)
        second = isinstance(graph, TreeEnsemble) and graph.tie_is_second
        return Ties(rows[tied], np.full(tied.size, int(second), np.int64))
    highest = scores >= scores.max(axis=1, keepdims=True) - near
    tied = np.flatnonzero(highest.sum(axis=1) > 1)
    return Ties(rows[tied], highest[tied].argmax(axis=1).astype(np.int64))


def _choices(graph: TreeEnsemble, feature: int, column: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Values of a column that no two of its cells share."""
    if feature in graph.gaps:
        _, first = np.unique([repr(value) for value in column.tolist()], return_index=True)
        return column[first]
    edges = np.unique(np.concatenate([tree.edge[tree.feature == feature] for tree in graph.trees]))
    edges = edges[np.isfinite(edges)]
    if not edges.size:
        return column[:1]
    return np.concatenate([[np.nextafter(np.float32(edges[0]), np.float32(-np.inf)) - 1.0], edges])
