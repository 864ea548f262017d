"""scikit-learn pipelines, whole: steps that prepare the columns, and a model of any family that has an importer."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection
from typing import Any

import numpy as np

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.additive import AdditiveModel
from cryptable.graphs.client_side import ClientSide, planned_graph
from cryptable.graphs.graph import Estimator, FloatArray, LinearModel, ModelGraph, Rows, TreeEnsemble
from cryptable.graphs.integer_squares import TrainedSquares
from cryptable.graphs.kernels import KernelMachine
from cryptable.graphs.network import QuantizedNetwork, SegmentedNetwork
from cryptable.graphs.quadratic import QuadraticModel
from cryptable.graphs.quadratic_forms import QuadraticForms
from cryptable.graphs.trained_integers import TrainedIntegers
from cryptable.importers.pipelines import RawColumns, Stage, apply_steps
from cryptable.importers.pipelines.kernel_features import makes_kernel_features, read_kernel_features
from cryptable.importers.pipelines.products import Follow, Steps, multiplies, read_products
from cryptable.importers.pipelines.rebase_additive import rebase_linear, rebase_steps
from cryptable.importers.pipelines.rebase_forms import rebase_forms
from cryptable.importers.pipelines.rebase_kernels import rebase_kernels
from cryptable.importers.pipelines.rebase_network import rebase_integers, rebase_network, rebase_squares
from cryptable.importers.pipelines.rebase_quadratic import rebase_quadratic
from cryptable.importers.pipelines.rebase_trees import rebase_trees
from cryptable.importers.reading.learned_trees import restrict_missing
from cryptable.importers.registry import find_importer, import_estimator, importer

_REBASE: dict[type, Callable[[Any, Stage], ModelGraph]] = {
    TreeEnsemble: rebase_trees,
    LinearModel: rebase_linear,
    AdditiveModel: rebase_steps,
    QuadraticModel: rebase_quadratic,
    QuadraticForms: rebase_forms,
    SegmentedNetwork: rebase_network,
    KernelMachine: rebase_kernels,
    QuantizedNetwork: rebase_network,
    TrainedIntegers: rebase_integers,
    TrainedSquares: rebase_squares,
}


def _reference(estimator: Estimator, rows: Rows) -> FloatArray:
    """The last step's own scores, of what the steps before it make of rows of floats."""
    if not hasattr(rows, "columns") and np.asarray(rows).dtype.kind not in "Of":
        rows = np.asarray(rows, np.float64)
    for _, step in estimator.steps[:-1]:
        if step is not None and not isinstance(step, str):
            rows = step.transform(rows)
    model = estimator.steps[-1][1]
    return np.asarray(find_importer(model).reference(model, rows), np.float64)


@importer("sklearn.pipeline.Pipeline", reference=_reference, needs_rows=True, takes_gaps=True)
def read(
    estimator: Estimator,
    feature_names: tuple[str, ...],
    *,
    kept: Rows,
    rows: FloatArray,
    may_miss: Collection[int] = (),
) -> ModelGraph:
    """The last step's graph, moved before all steps: on the raw columns that the pipeline takes."""
    *steps, (name, model) = estimator.steps
    if model is None or isinstance(model, str) or not hasattr(model, "predict"):
        raise UnsupportedModelError(
            f"the pipeline's last step, {name!r} ({type(model).__name__}), predicts nothing; "
            "compile a pipeline that ends with a classifier or a regressor"
        )
    for is_there, reader in ((multiplies, read_products), (makes_kernel_features, read_kernel_features)):
        if is_there(steps):
            expanded = _expanded(reader, estimator, steps, RawColumns.of(kept, rows, feature_names))
            if expanded is not None:
                return expanded
    stage = _stage(
        steps, kept, rows, feature_names, _columns_that_may_miss(estimator, kept, rows, feature_names, may_miss)
    )
    stage.check_sources()
    inner_rows = stage.transform(stage.raw.rows)
    inner_names = tuple(f"x{index}" for index in range(len(stage.columns)))
    graph = import_estimator(model, inner_names, inner_rows, stage.values(stage.raw.rows))
    if isinstance(planned := planned_graph(graph), TreeEnsemble) and not stage.raw.gaps:
        restricted = restrict_missing(planned, ())  # nothing is missing in what the pipeline takes
        graph = graph.of(restricted) if isinstance(graph, ClientSide) else restricted
    if stage.raw.gaps and not isinstance(planned, TreeEnsemble | LinearModel):
        names = [feature_names[index] for index in stage.raw.gaps]
        raise UnsupportedModelError(
            f"{type(model).__name__} in a pipeline takes finite numbers only, and X_train has text or missing values "
            f"in {', '.join(map(repr, names[:5]))}; fit trees or a linear model there"
        )
    rebase = _REBASE.get(type(planned_graph(graph)))
    if rebase is None:
        raise UnsupportedModelError(
            f"{type(model).__name__} cannot follow preprocessing steps yet: fit it on the output of "
            f"step {steps[-1][0]!r}, compile it alone, and let clients apply the steps before they encrypt"
            if steps
            else f"{type(model).__name__} cannot be compiled within a pipeline: compile it alone"
        )
    last = Stage(stage.raw, stage.columns, stage.transform, _described(steps))
    return graph.of(rebase(graph.graph, last)) if isinstance(graph, ClientSide) else rebase(graph, last)


def _expanded(
    reader: Callable[[Steps, Stage, Follow], ModelGraph | None], estimator: Estimator, steps: Steps, raw: RawColumns
) -> ModelGraph | None:
    """Of a pipeline with a step whose columns only a linear model can follow; None where another one does."""
    if raw.gaps or raw.opaque:
        return None

    def follow(later: list[tuple[str, Any]], stage: Stage) -> ModelGraph:
        pipeline = type(estimator)([*later, estimator.steps[-1]])
        inner = stage.transform(stage.raw.rows)
        values = stage.values(stage.raw.rows)
        return read(pipeline, tuple(f"x{index}" for index in range(values.shape[1])), kept=inner, rows=values)

    return reader(steps, Stage.start(raw), follow)


def _stage(
    steps: list[tuple[str, Any]], kept: Rows, rows: FloatArray, names: tuple[str, ...], may_miss: Collection[int]
) -> Stage:
    """The last one: read again with what the encoders know of columns of text, once they have been met."""
    raw = RawColumns.of(kept, rows, names, may_miss=may_miss)
    stage = apply_steps(steps, Stage.start(raw))
    if not raw.text:
        return stage
    raw = RawColumns.of(kept, rows, names, may_miss=may_miss, readers=raw.readers)
    return apply_steps(steps, Stage.start(raw))


def _columns_that_may_miss(
    estimator: Estimator, kept: Rows, rows: FloatArray, names: tuple[str, ...], asked: Collection[int]
) -> frozenset[int]:
    """Of the columns asked for, those in which the pipeline takes a missing value."""
    if not asked:
        return frozenset()
    raw = RawColumns.of(kept, rows, names, may_miss=asked)
    return frozenset(index for index in asked if _takes(estimator, raw.as_library_rows(raw.with_missing(index))))


def _takes(estimator: Estimator, row: Rows) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of an unknown category: asked for
            return bool(np.isfinite(_reference(estimator, row)).all())
    except (TypeError, ValueError):  # what libraries say of a missing value that they do not take
        return False


def _described(steps: list[tuple[str, Any]]) -> str:
    """The last step that does something, for messages."""
    for name, step in reversed(steps):
        if step is not None and not isinstance(step, str):
            return f"{name!r} ({type(step).__name__})"
    return "'passthrough'"
