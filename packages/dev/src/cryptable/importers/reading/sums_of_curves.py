"""Models of curves side by side: a line or steps of each feature, with the scores of all models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.additive import AdditiveModel, StepFunction
from cryptable.graphs.curves import CurveModel, Line, Polyline
from cryptable.graphs.graph import FloatArray, Gaps, LinearModel

SummedCurves = LinearModel | AdditiveModel | CurveModel
"""All are sums of a function of each feature."""


def curves_side_by_side(graphs: Sequence[SummedCurves], what: str) -> CurveModel:
    """One model with the scores of all, one after the other.

    Raises:
        UnsupportedModelError: one feature has curves of several forms, or a line in one model and steps in another.
    """
    curves = [_as_curves(graph, what) for graph in graphs]
    outputs = [graph.outputs for graph in curves]
    lines: dict[int, Line] = {}
    polylines: dict[int, Polyline] = {}
    steps: dict[int, StepFunction] = {}
    gaps: dict[int, Gaps] = {}
    for number, graph in enumerate(curves):
        place = (sum(outputs[:number]), sum(outputs[number + 1 :]))
        for line in graph.lines:
            wide = Line(line.feature, _padded(line.slopes, place), _padded_or_none(line.missing, place))
            lines[line.feature] = _added_lines(lines.get(line.feature), wide)
        for each in graph.polylines:
            if each.feature in polylines:
                raise _several_forms(what, graph.feature_names[each.feature])
            missing = _padded_or_none(each.missing, place)
            polylines[each.feature] = replace(each, weights=_padded(each.weights, place), missing=missing)
        for step in graph.steps:
            function = StepFunction(step.feature, step.edges, _padded(step.values, place))
            steps[step.feature] = _added_steps(steps.get(step.feature), function)
        for index, gap in graph.gaps.items():
            if gaps.setdefault(index, gap) != gap:
                raise UnsupportedModelError(
                    f"{what}: its members read column {graph.feature_names[index]!r} in different ways; fit them on "
                    "one frame, or prepare it in a pipeline before all of them"
                )
    of_several = [set(lines) & set(polylines), set(lines) & set(steps), set(polylines) & set(steps)]
    for index in sorted(set().union(*of_several)):
        raise _several_forms(what, curves[0].feature_names[index])
    return CurveModel(
        curves[0].feature_names,
        tuple(lines.values()),
        tuple(polylines.values()),
        tuple(steps.values()),
        np.concatenate([graph.base for graph in curves]),
        curves[0].link,
        curves[0].labels,
        gaps,
    )


def projected_curves(graph: CurveModel, matrix: FloatArray) -> CurveModel:
    """The model whose scores are these times a matrix, shape (outputs, new outputs)."""
    return replace(
        graph,
        lines=tuple(
            Line(each.feature, each.slopes @ matrix, None if each.missing is None else each.missing @ matrix)
            for each in graph.lines
        ),
        polylines=tuple(
            replace(
                each,
                weights=each.weights @ matrix,
                missing=None if each.missing is None else each.missing @ matrix,
            )
            for each in graph.polylines
        ),
        steps=tuple(replace(each, values=each.values @ matrix) for each in graph.steps),
        base=graph.base @ matrix,
    )


def _as_curves(graph: SummedCurves, what: str) -> CurveModel:
    names, link, labels = graph.feature_names, graph.link, graph.labels
    match graph:
        case LinearModel():
            used = np.flatnonzero(graph.coefficients.any(axis=1)).tolist()
            lines = tuple(Line(index, graph.coefficients[index]) for index in used)
            return CurveModel(names, lines, (), (), graph.intercept, link, labels)
        case AdditiveModel():
            if graph.pairs or graph.as_float32:
                raise UnsupportedModelError(f"{what} adds up additive models with pairs and others; use one kind")
            return CurveModel(names, (), (), graph.functions, graph.base, link, labels)
        case CurveModel():
            return graph


def _several_forms(what: str, name: str) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"{what}: its members make several curves of column {name!r}, and a client sends one; put the steps that bend "
        "it in a pipeline before all members, or use KBinsDiscretizer there"
    )


def _padded(values: FloatArray, place: tuple[int, int]) -> FloatArray:
    """Zeros for the scores of other models, along the last axis."""
    padded: FloatArray = np.pad(values, [(0, 0)] * (values.ndim - 1) + [place])
    return padded


def _padded_or_none(values: FloatArray | None, place: tuple[int, int]) -> FloatArray | None:
    return None if values is None else _padded(values, place)


def _added_lines(one: Line | None, other: Line) -> Line:
    if one is None:
        return other
    missing = None if one.missing is None or other.missing is None else one.missing + other.missing
    return Line(one.feature, one.slopes + other.slopes, missing)


def _added_steps(one: StepFunction | None, other: StepFunction) -> StepFunction:
    if one is None:
        return other
    edges = np.union1d(one.edges, other.edges)
    starts = np.concatenate([[-np.inf], edges])
    values = sum(each.values[np.searchsorted(each.edges, starts, side="right")] for each in (one, other))
    return StepFunction(one.feature, edges, np.asarray(values, np.float64))
