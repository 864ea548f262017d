"""Linear and additive models on preprocessed columns become sums of a function of each raw column."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from cryptable_protocol import Missing

from cryptable.graphs.additive import AdditiveModel, StepFunction
from cryptable.graphs.bends import with_knots, worst_of_gaps
from cryptable.graphs.curves import CurveModel, Line, Polyline
from cryptable.graphs.graph import MISSING_EDGE, FloatArray, LinearModel
from cryptable.importers.pipelines.shapes import Affine, Column, Curve, Shape, Steps, domain, weighted_sum
from cryptable.importers.pipelines.stage import Stage, to_float32

MAX_KNOTS = 2000
_ROUNDS = 64
_CURVE_TOLERANCE = 2e-5
"""Relative to the largest score, of all curves together: well below what the verification of the import allows."""


def rebase_linear(graph: LinearModel, stage: Stage) -> LinearModel | AdditiveModel | CurveModel:
    """The same scores from raw columns: a line where all steps are affine, steps where all are, else a mix.

    Raises:
        UnsupportedModelError: a curve of one column has another form for each of several scores.
    """
    names, outputs = stage.raw.names, graph.outputs
    totals = [
        weighted_sum(zip(graph.coefficients[:, output].tolist(), stage.columns, strict=True), stage.step)
        for output in range(outputs)
    ]
    shapes = _shapes(graph, stage)
    at_base_row = graph.scores(stage.values(stage.raw.base))
    base: FloatArray = at_base_row[0]
    largest = float(np.abs(graph.scores(stage.values(stage.raw.rows))).max())
    tolerance = _CURVE_TOLERANCE * max(1.0, largest) / max(1, len(shapes))
    lines, polylines, steps = [], [], []
    for source, shape in shapes.items():
        at_base = stage.raw.base[:, source]
        missing = _scores_of_missing(graph, stage, source)
        match shape:
            case Affine():
                slopes = np.array([_slope(total, source) for total in totals])
                own = slopes * at_base
                lines.append(Line(source, slopes, None if missing is None else missing - at_base_row[0] + own))
                base = base - own
            case Steps(breaks, probes):
                if missing is not None and MISSING_EDGE not in breaks:
                    breaks, probes = (*breaks, MISSING_EDGE), (*probes, MISSING_EDGE)
                values = graph.scores(stage.values_along(source, np.asarray(probes)))
                values = values - at_base_row
                function = _without_idle_edges(source, np.asarray(breaks), values)
                if function is not None:
                    steps.append(function)
            case _:
                polyline = _polyline(graph, stage, source, shape, tolerance)
                if polyline is not None:
                    own = polyline.weights * np.interp(at_base, polyline.knots, polyline.values)
                    if missing is not None:
                        polyline = replace(polyline, missing=missing - at_base_row[0] + own)
                    polylines.append(polyline)
                    base = base - own
                elif missing is not None:
                    function = _without_idle_edges(
                        source, np.array([MISSING_EDGE]), np.stack([np.zeros(outputs), missing - at_base_row[0]])
                    )
                    steps += [] if function is None else [function]
    if stage.raw.gaps:
        gaps = {source: each for source, each in stage.raw.gaps.items() if source in shapes}
        return CurveModel(names, tuple(lines), tuple(polylines), tuple(steps), base, graph.link, graph.labels, gaps)
    if not steps and not polylines:
        coefficients = np.zeros((len(names), outputs))
        for line in lines:
            coefficients[line.feature] = line.slopes
        return LinearModel(names, coefficients, base, graph.link, graph.labels)
    if not lines and not polylines:
        return AdditiveModel(names, tuple(steps), (), base, graph.link, graph.labels)
    return CurveModel(names, tuple(lines), tuple(polylines), tuple(steps), base, graph.link, graph.labels)


def rebase_steps(graph: AdditiveModel, stage: Stage) -> AdditiveModel:
    """Step functions of preprocessed columns become step functions of raw ones, exactly.

    Raises:
        UnsupportedModelError: a column is a mix of several raw ones, or not monotone; or a pair is of such columns.
    """
    if graph.pairs:
        raise stage.refusal(
            f"{(graph.labels and 'a classifier') or 'a regressor'} with pairwise terms cannot follow it yet; fit with "
            "interactions=0, or on the raw columns: such models need no scaling"
        )
    by_source: dict[int, list[tuple[FloatArray, FloatArray]]] = {}
    base = graph.base.copy()
    for function in graph.functions:
        column = stage.univariate(function.feature)
        if not column.shapes:
            value = _seen(stage.values(stage.raw.base)[:, function.feature], graph.as_float32)
            base = base + function.values[np.searchsorted(function.edges, value, side="right")[0]]
            continue
        breaks, probes = _intervals(stage, function, column, graph.as_float32)
        seen = _seen(stage.values_along(column.source, probes)[:, function.feature], graph.as_float32)
        values = function.values[np.searchsorted(function.edges, seen, side="right")]
        by_source.setdefault(column.source, []).append((breaks, values))
    functions = []
    for source, parts in by_source.items():
        edges = np.unique(np.concatenate([breaks for breaks, _ in parts]))
        starts = np.concatenate([[-np.inf], edges])
        values = sum(
            (values[np.searchsorted(breaks, starts, side="right")] for breaks, values in parts),
            start=np.zeros((starts.size, graph.outputs)),
        )
        one = _without_idle_edges(source, edges, values)
        if one is None:
            base = base + values[0]
        else:
            functions.append(one)
    return AdditiveModel(stage.raw.names, tuple(functions), (), base, graph.link, graph.labels)


def _shapes(graph: LinearModel, stage: Stage) -> dict[int, Shape]:
    """Of each raw column, over all scores."""
    weights = np.abs(graph.coefficients).max(axis=1)
    return weighted_sum(zip(weights.tolist(), stage.columns, strict=True), stage.step).shapes


def _scores_of_missing(graph: LinearModel, stage: Stage, source: int) -> FloatArray | None:
    """The scores as a number of one raw column is missing, shape (outputs,); None if it never is.

    Raises:
        UnsupportedModelError: no step puts anything in its place.
    """
    if not isinstance(stage.raw.gaps.get(source), Missing):
        return None
    scores: FloatArray = graph.scores(stage.values_along(source, np.array([MISSING_EDGE])))[0]
    if not np.isfinite(scores).all():
        raise stage.refusal(
            f"column {stage.raw.names[source]!r} has missing values in X_train, which no step before a linear model "
            "puts anything in the place of; put SimpleImputer before it"
        )
    return scores


def _slope(total: Column, source: int) -> float:
    shape = total.shapes.get(source)
    return shape.slope if isinstance(shape, Affine) else 0.0


def _intervals(stage: Stage, function: StepFunction, column: Column, as_float32: bool) -> tuple[FloatArray, FloatArray]:
    """Where a step function of a preprocessed column may jump, in raw numbers, and a raw number in each interval."""
    match column.shapes[column.source]:
        case Steps(breaks, probes):
            return np.asarray(breaks, np.float64), np.asarray(probes, np.float64)
        case Curve():
            raise stage.refusal(f"its column {function.feature} goes up and down, which step functions cannot follow")
        case _:
            found = stage.first_reaching(function.feature, function.edges, as_float32=as_float32)
            breaks = np.unique(found[np.isfinite(found)])
            lowest, _ = stage.ends(column)
            return breaks, np.concatenate([[lowest], breaks])


def _without_idle_edges(source: int, edges: FloatArray, values: FloatArray) -> StepFunction | None:
    """None where nothing changes at all."""
    tiny = 1e-12 * max(1.0, float(np.abs(values).max(initial=0.0)))
    jumps = np.abs(np.diff(values, axis=0)).max(axis=1, initial=0.0) > tiny
    if not jumps.any():
        return None
    return StepFunction(source, edges[jumps], values[np.concatenate([[True], jumps])])


def _polyline(graph: LinearModel, stage: Stage, source: int, shape: Shape, tolerance: float) -> Polyline | None:
    """What a curve of one raw column adds: one form, times a weight for each score."""
    knots = _knots(graph, stage, source, shape, tolerance)
    curves = _curves(graph, stage, source, knots)
    curves = curves - curves[0]
    main = curves[:, int(np.argmax(np.ptp(curves, axis=0)))]
    if not np.ptp(main):
        return None
    weights = curves.T @ main / (main @ main)
    if np.abs(curves - main[:, None] * weights).max() > 1e-6 * np.ptp(main):
        raise stage.refusal(
            f"it makes several curves of column {stage.raw.names[source]!r}, which {curves.shape[1]} scores weigh "
            "differently; that is supported for one score only: fit one classifier a class, or use KBinsDiscretizer"
        )
    return Polyline(source, knots, main, weights)


def _curves(graph: LinearModel, stage: Stage, source: int, numbers: FloatArray) -> FloatArray:
    """The scores as one raw column takes these numbers, shape (numbers, outputs)."""
    return graph.scores(stage.values_along(source, numbers))


def _knots(graph: LinearModel, stage: Stage, source: int, shape: Shape, tolerance: float) -> FloatArray:
    """Where the curve is bent: first a grid and quantiles of the data; then the worst gaps are split until none errs.

    A jump ends as two neighbouring doubles.
    """
    column = stage.raw.rows[:, source]
    lower, upper = domain([shape])
    data = np.unique(np.quantile(column, np.linspace(0, 1, 33)).clip(lower, upper))
    knots = np.unique(np.concatenate([data, _beyond(graph, stage, source, data, lower, upper)]))
    values = _curves(graph, stage, source, knots)
    seen = np.unique(column.clip(lower, upper))
    starts, stops = knots[:-1], knots[1:]  # of the gaps to look at
    for _ in range(_ROUNDS):
        gap_of = np.searchsorted(starts, seen, side="right") - 1
        tried = np.unique(np.concatenate([starts + (stops - starts) / 2, seen[(gap_of >= 0) & (seen < stops[gap_of])]]))
        tried = np.setdiff1d(tried, knots)
        if not tried.size:
            break
        at_tried = _curves(graph, stage, source, tried)
        drawn = np.stack([np.interp(tried, knots, each) for each in values.T], axis=1)
        off = np.abs(at_tried - drawn).max(axis=1)
        worst, _ = worst_of_gaps(knots, tried, off)
        worst = worst[off[worst] > tolerance]
        worst = worst[np.argsort(-off[worst])][: MAX_KNOTS - knots.size]
        if not worst.size:
            break
        knots, values, gaps = with_knots(knots, values, tried[worst], at_tried[worst])
        starts, stops = knots[gaps], knots[gaps + 1]
    found: FloatArray = knots
    return found


def _beyond(graph: LinearModel, stage: Stage, source: int, data: FloatArray, lower: float, upper: float) -> FloatArray:
    """A grid around the data: as far as one range of it, and as the curve's own range at most doubles on each side."""
    low, high = float(data[0]), float(data[-1])
    width = high - low or max(abs(low), 1.0)
    grid = np.linspace(max(low - width, lower), min(high + width, upper), 97)
    within = _curves(graph, stage, source, np.concatenate([data, np.linspace(low, high, 33)]))
    slack = np.ptp(within, axis=0)
    with np.errstate(invalid="ignore"):
        values = _curves(graph, stage, source, grid)
        near = ((values >= within.min(axis=0) - slack) & (values <= within.max(axis=0) + slack)).all(axis=1)
    below, above = np.flatnonzero(~near & (grid < low)), np.flatnonzero(~near & (grid > high))
    kept: FloatArray = grid[(below[-1] + 1 if below.size else 0) : (above[0] if above.size else grid.size)]
    return kept


def _seen(values: FloatArray, as_float32: bool) -> FloatArray:
    return to_float32(values) if as_float32 else values
