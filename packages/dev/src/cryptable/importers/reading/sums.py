"""Sums of model graphs of one kind: side by side, weighted, on some of the columns; what ensembles are read with."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from cryptable_protocol import Labels, Link, Member

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.additive import AdditiveModel
from cryptable.graphs.client_side import ClientSide, planned_graph
from cryptable.graphs.curves import CurveModel
from cryptable.graphs.graph import FloatArray, LinearModel, ModelGraph, Rows, TreeEnsemble
from cryptable.graphs.kernels import KernelMachine
from cryptable.graphs.mixture import Mixture, meaningless
from cryptable.graphs.neighbors import NeighborsModel
from cryptable.graphs.network import SegmentedNetwork
from cryptable.graphs.quadratic import QuadraticModel
from cryptable.graphs.several_kinds import SumOfKinds
from cryptable.importers.reading.learned_trees import as_doubles, missing_as_highest, restrict_missing
from cryptable.importers.reading.sums_of_curves import curves_side_by_side, projected_curves
from cryptable.importers.reading.sums_of_trees import added_trees
from cryptable.importers.registry import import_estimator, reference_scores, takes_gaps

Columns = npt.NDArray[np.int64]
"""Which columns a member sees, by position."""


def scaled(graph: ModelGraph, factors: npt.ArrayLike, offsets: npt.ArrayLike = 0.0) -> Any:  # noqa: ANN401
    """The graph whose scores are these times factors, plus offsets; both of shape (outputs,), or one number."""
    factor = np.broadcast_to(np.asarray(factors, np.float64), (graph.outputs,))
    offset = np.broadcast_to(np.asarray(offsets, np.float64), (graph.outputs,))
    match graph:
        case TreeEnsemble():
            trees = tuple(replace(tree, values=tree.values * factor) for tree in graph.trees)
            return replace(graph, trees=trees, base=graph.base * factor + offset)
        case LinearModel():
            return replace(graph, coefficients=graph.coefficients * factor, intercept=graph.intercept * factor + offset)
        case QuadraticModel():
            return replace(
                graph,
                quadratic=graph.quadratic * factor,
                linear=graph.linear * factor,
                intercept=graph.intercept * factor + offset,
            )
        case AdditiveModel():
            functions = tuple(replace(each, values=each.values * factor) for each in graph.functions)
            pairs = tuple(replace(each, values=each.values * factor) for each in graph.pairs)
            return replace(graph, functions=functions, pairs=pairs, base=graph.base * factor + offset)
        case CurveModel():
            lines = tuple(
                replace(each, slopes=each.slopes * factor, missing=_times(each.missing, factor)) for each in graph.lines
            )
            polylines = tuple(
                replace(each, weights=each.weights * factor, missing=_times(each.missing, factor))
                for each in graph.polylines
            )
            steps = tuple(replace(each, values=each.values * factor) for each in graph.steps)
            base = graph.base * factor + offset
            return replace(graph, lines=lines, polylines=polylines, steps=steps, base=base)
        case SumOfKinds():
            first, *others = graph.parts
            return replace(graph, parts=(scaled(first, factor, offset), *(scaled(each, factor) for each in others)))
        case _:
            raise _no_part(graph)


def side_by_side(graphs: Sequence[ModelGraph], what: str) -> Any:  # noqa: ANN401
    """One graph with the scores of all, one after the other: without a link and labels.

    Raises:
        UnsupportedModelError: they are of several kinds, or of one that cannot be added up.
    """
    first = graphs[0]
    kinds_met = {type(graph) for graph in graphs}
    if kinds_met == {CurveModel} or (len(kinds_met) > 1 and kinds_met <= {LinearModel, AdditiveModel, CurveModel}):
        try:
            return curves_side_by_side([meaningless(graph) for graph in graphs], what)
        except UnsupportedModelError:  # of one column, one has a line and another one steps
            return _several_kinds(graphs)
    if SumOfKinds in kinds_met or (len(kinds_met) > 1 and kinds_met <= _SUMMED):
        return _several_kinds(graphs)
    if len(kinds_met) > 1 or isinstance(first, Mixture):
        kinds = ", ".join(sorted({_KINDS.get(type(graph), type(graph).__name__) for graph in graphs}))
        raise UnsupportedModelError(
            f"{what} adds up models of several kinds ({kinds}), which one circuit does not hold; make it of trees, "
            "linear, quadratic and additive models, or compile its estimators_ one by one and let clients add up what "
            "they predict"
        )
    bare = [meaningless(graph) for graph in graphs]
    outputs = [graph.outputs for graph in graphs]
    match first:
        case TreeEnsemble():
            return added_trees([projected(graph, place) for graph, place in zip(bare, _places(outputs), strict=True)])
        case LinearModel():
            return replace(
                bare[0],
                coefficients=np.concatenate([each.coefficients for each in bare], axis=1),
                intercept=np.concatenate([each.intercept for each in bare]),
            )
        case QuadraticModel():
            return _quadratics(bare)
        case AdditiveModel():
            return _additives(bare, outputs)
        case _:
            raise UnsupportedModelError(
                f"{what} adds up {_KINDS.get(type(first), type(first).__name__)}, which is not supported; "
                "compile its estimators_ one by one"
            )


def _places(outputs: Sequence[int]) -> list[FloatArray]:
    """Of each graph, the matrix that puts its scores among those of all; shape (its scores, all scores)."""
    return np.split(np.eye(sum(outputs)), np.cumsum(outputs)[:-1])


def _several_kinds(graphs: Sequence[ModelGraph]) -> SumOfKinds:
    """Scores of all, side by side."""
    parts: list[Any] = []
    for graph, place in zip(graphs, _places([graph.outputs for graph in graphs]), strict=True):
        wide = projected(meaningless(graph), place)
        parts += wide.parts if isinstance(wide, SumOfKinds) else [wide]
    trees = [part for part in parts if isinstance(part, TreeEnsemble)]
    others = [part for part in parts if not isinstance(part, TreeEnsemble)]
    return SumOfKinds((*([added_trees(trees)] if trees else []), *others), Link.IDENTITY, None)


def is_part(graph: ModelGraph) -> bool:
    """Whether it can be scaled, and be part of a sum."""
    return isinstance(graph, SumOfKinds) or type(graph) in _SUMMED


def _no_part(graph: ModelGraph) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"{_KINDS.get(type(graph), type(graph).__name__)} cannot be part of a sum, only trees, linear, quadratic and "
        "additive models can; compile its estimators_ one by one and let clients add up what they predict"
    )


_SUMMED = {TreeEnsemble, LinearModel, QuadraticModel, AdditiveModel, CurveModel}
"""Kinds that one circuit adds up."""
_KINDS: dict[type, str] = {
    TreeEnsemble: "trees",
    LinearModel: "linear models",
    QuadraticModel: "quadratic models",
    AdditiveModel: "additive models",
    CurveModel: "models of curves",
    Mixture: "sums of models",
    SumOfKinds: "sums of models of several kinds",
    NeighborsModel: "nearest neighbours",
    KernelMachine: "kernel machines",
    SegmentedNetwork: "networks",
}


def added(graphs: Sequence[ModelGraph], weights: Sequence[float], what: str) -> Any:  # noqa: ANN401
    """One graph whose scores are the weighted sum of those of all; all of as many scores."""
    outputs = graphs[0].outputs
    wide = side_by_side([scaled(graph, weight) for graph, weight in zip(graphs, weights, strict=True)], what)
    return projected(wide, np.tile(np.eye(outputs), (len(graphs), 1)))


def projected(graph: ModelGraph, matrix: FloatArray) -> Any:  # noqa: ANN401
    """The graph whose scores are these times a matrix, shape (outputs, new outputs)."""
    match graph:
        case TreeEnsemble():
            trees = tuple(replace(tree, values=tree.values @ matrix) for tree in graph.trees)
            return replace(graph, trees=trees, base=graph.base @ matrix)
        case LinearModel():
            return replace(graph, coefficients=graph.coefficients @ matrix, intercept=graph.intercept @ matrix)
        case QuadraticModel():
            return replace(
                graph,
                quadratic=graph.quadratic @ matrix,
                linear=graph.linear @ matrix,
                intercept=graph.intercept @ matrix,
            )
        case AdditiveModel():
            functions = tuple(replace(each, values=each.values @ matrix) for each in graph.functions)
            pairs = tuple(replace(each, values=each.values @ matrix) for each in graph.pairs)
            return replace(graph, functions=functions, pairs=pairs, base=graph.base @ matrix)
        case CurveModel():
            return projected_curves(graph, matrix)
        case SumOfKinds():
            return replace(graph, parts=tuple(projected(each, matrix) for each in graph.parts))
        case _:
            raise _no_part(graph)


def on_columns(graph: ModelGraph, columns: Columns, names: tuple[str, ...]) -> Any:  # noqa: ANN401
    """The graph of a model that sees some columns of a table, on all of them."""
    if isinstance(graph, SumOfKinds):
        return replace(graph, parts=tuple(on_columns(each, columns, names) for each in graph.parts))
    if np.array_equal(columns, np.arange(len(names))):
        return replace(graph, feature_names=names)  # type: ignore[type-var]
    match graph:
        case TreeEnsemble():
            trees = tuple(
                replace(tree, feature=np.where(tree.feature < 0, tree.feature, columns[np.maximum(tree.feature, 0)]))
                for tree in graph.trees
            )
            gaps = {int(columns[index]): each for index, each in graph.gaps.items()}
            return replace(graph, feature_names=names, trees=trees, gaps=gaps)
        case LinearModel():
            coefficients = np.zeros((len(names), graph.outputs))
            np.add.at(coefficients, columns, graph.coefficients)
            return replace(graph, feature_names=names, coefficients=coefficients)
        case AdditiveModel():
            functions = tuple(replace(each, feature=int(columns[each.feature])) for each in graph.functions)
            return replace(graph, feature_names=names, functions=functions)
        case _:
            raise UnsupportedModelError(
                f"a member of kind {type(graph).__name__} that sees some columns only is not supported; set "
                "max_features=1.0"
            )


def members_take_gaps(ensemble: Any) -> bool:  # noqa: ANN401
    """Whether all members of `estimators_` take missing values."""
    return all(map(takes_gaps, ensemble.estimators_))


def scores_of_members(ensemble: Any, rows: Rows) -> FloatArray:  # noqa: ANN401
    """Those of each member of `estimators_`, one after the other; shape (rows, outputs)."""
    return np.concatenate([reference_scores(member, rows) for member in ensemble.estimators_], axis=1)


def members_of_classes(members: Sequence[Any], classes: Sequence[Any], what: str) -> None:
    """Refuse members that were not fitted on all of the classes, in this order.

    Raises:
        UnsupportedModelError: one was not.
    """
    for member in members:
        own = np.asarray(member.classes_).tolist()
        if own != list(classes):
            raise UnsupportedModelError(
                f"{what}: one of its members was fitted on the classes {own}, not on all of {list(classes)}; fit it on "
                "more rows, or with stratified ones"
            )


def mean_of_probabilities(
    graphs: Sequence[ModelGraph], rows: FloatArray, weights: Sequence[float], labels: Labels, what: str
) -> ModelGraph:
    """The weighted mean of the probabilities that classifiers predict.

    Where they are probabilities in themselves, one graph of the same kind; else what a client adds up.

    Raises:
        UnsupportedModelError: a classifier without probabilities, or classifiers of several kinds.
    """
    shares = (np.asarray(weights, np.float64) / np.sum(weights)).tolist()
    for graph in graphs:
        if graph.link not in (Link.SIGMOID, Link.SOFTMAX, Link.PROBABILITY):
            raise UnsupportedModelError(
                f"{what} averages probabilities, which one of its members does not have; fit it with members that do"
            )
    if all(graph.link is Link.PROBABILITY and not isinstance(graph, Mixture) for graph in graphs):
        mean = added(graphs, shares, what)
        return replace(mean, link=Link.PROBABILITY, labels=labels)  # type: ignore[no-any-return]
    members: list[Member] = []
    inner: list[ModelGraph] = []
    for graph, share in zip(graphs, shares, strict=True):
        if isinstance(graph, Mixture):
            members += [replace(each, weight=each.weight * share) for each in graph.members]
            inner.append(graph.graph)
        else:
            # Of one kind, a unit that suits one member suits all.
            scale = 1.0 if len({type(each) for each in graphs}) == 1 else scale_of(graph, rows)
            members.append(Member(graph.link, graph.outputs, share, scale=scale))
            inner.append(scaled(graph, 1.0 / scale))
    return Mixture(side_by_side(inner, what), tuple(members), Link.PROBABILITY, labels)


def scale_of(graph: ModelGraph, rows: FloatArray) -> float:
    """By what a classifier's scores are to be divided so that an error of them is about one of probabilities.

    Of log-odds that vary by much, by more: what is certain by far need be no more exact than in proportion.
    """
    if graph.link is Link.PROBABILITY:
        return 1.0
    least = _LOG_ODDS if graph.outputs == 1 else _LOG_ODDS / 2
    return max(least, _WIDE * float(graph.scores(rows).std(axis=0).max()))


_LOG_ODDS, _WIDE = 4.0, 0.08
"""The slope of the sigmoid is 1/4 at most, that of a softmax 1/2; and of the deviation: a thousandth is then off by as
much as a probability's tolerance, as of log-odds of all models."""


def read_member(
    member: Any,  # noqa: ANN401
    names: tuple[str, ...],
    kept: Rows,
    rows: FloatArray,
    may_miss: Collection[int],
    columns: Columns | None = None,
) -> ModelGraph:
    """The graph of a member of an ensemble, on all columns of the table that the ensemble takes.

    Args:
        member: fitted, on some of the columns or on all.
        names: of all columns.
        kept: calibration data, as the ensemble takes it.
        rows: the same as numbers.
        may_miss: columns that may hold missing values.
        columns: which it sees, in its order; all without.
    """
    if columns is None:
        columns = np.arange(len(names))
        graph = import_estimator(member, names, kept, rows, may_miss)
    else:
        some = kept.iloc[:, columns] if hasattr(kept, "iloc") else np.asarray(kept)[:, columns]
        own_names = tuple(names[index] for index in columns)
        inside = [place for place, index in enumerate(columns.tolist()) if index in may_miss]
        graph = import_estimator(member, own_names, some, rows[:, columns], inside)
    missing = [place for place, index in enumerate(columns.tolist()) if index in may_miss]
    moved = on_columns(_alike(planned_graph(graph), missing), columns, names)
    return graph.of(moved) if isinstance(graph, ClientSide) else moved


def _alike(graph: Any, may_miss: Collection[int]) -> Any:  # noqa: ANN401
    """Trees as all members have them: of doubles, and with missing numbers as the highest."""
    if not isinstance(graph, TreeEnsemble):
        return graph
    return as_doubles(missing_as_highest(restrict_missing(graph, may_miss)))


def probabilities(estimator: Any, rows: Rows) -> FloatArray:  # noqa: ANN401
    """A classifier's own: of the second class, or of each; shape (rows, outputs)."""
    found = np.asarray(estimator.predict_proba(rows), np.float64)
    return found[:, 1:] if found.shape[1] == 2 else found


def predictions(estimator: Any, rows: Rows) -> FloatArray:  # noqa: ANN401
    """A regressor's own, shape (rows,) or (rows, targets)."""
    return np.asarray(estimator.predict(rows), np.float64)


def _times(missing: FloatArray | None, factor: FloatArray) -> FloatArray | None:
    return None if missing is None else missing * factor


def _widened(values: FloatArray, index: int, outputs: Sequence[int]) -> FloatArray:
    """Zeros but for the place of graph `index`; along the last axis."""
    before, after = sum(outputs[:index]), sum(outputs[index + 1 :])
    padding = [(0, 0)] * (values.ndim - 1) + [(before, after)]
    widened: FloatArray = np.pad(values, padding)
    return widened


def _quadratics(graphs: Sequence[QuadraticModel]) -> QuadraticModel:
    """Around one centre: a² d² + b d with d = e + s is a e² + (b + 2 a s) e + a s² + b s."""
    centre = graphs[0].centre
    quadratic, linear, intercept = [], [], []
    for graph in graphs:
        shift = (centre - graph.centre)[:, None]
        quadratic.append(graph.quadratic)
        linear.append(graph.linear + 2 * graph.quadratic * shift)
        intercept.append(graph.intercept + (graph.quadratic * shift**2 + graph.linear * shift).sum(axis=0))
    return replace(
        graphs[0],
        quadratic=np.concatenate(quadratic, axis=1),
        linear=np.concatenate(linear, axis=1),
        intercept=np.concatenate(intercept),
    )


def _additives(graphs: Sequence[AdditiveModel], outputs: Sequence[int]) -> AdditiveModel:
    functions = tuple(
        replace(each, values=_widened(each.values, index, outputs))
        for index, graph in enumerate(graphs)
        for each in graph.functions
    )
    pairs = tuple(
        replace(each, values=_widened(each.values, index, outputs))
        for index, graph in enumerate(graphs)
        for each in graph.pairs
    )
    return replace(graphs[0], functions=functions, pairs=pairs, base=np.concatenate([each.base for each in graphs]))
