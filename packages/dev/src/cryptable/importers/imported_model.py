"""ImportedModel: whatever `compile` was given, read and verified. What it was is found out here, once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from cryptable_protocol import InvalidInputError

from cryptable.graphs.client_side import ClientSide, planned_graph
from cryptable.graphs.graph import Estimator, FloatArray, ModelGraph, Rows, TreeEnsemble
from cryptable.importers.calibration import check_kinds, columns_that_may_miss, read_rows
from cryptable.importers.networks import is_network
from cryptable.importers.parts import has_steps
from cryptable.importers.reading.learned_trees import restrict_missing
from cryptable.importers.registry import import_estimator, reference_scores, takes_gaps
from cryptable.importers.verification import (
    check_targets,
    is_column,
    predictions_by,
    predictions_of,
    verify_import,
    verify_predictions,
    warn_of_undecided,
)

Accept: TypeAlias = Callable[[ModelGraph, Estimator], None]


@dataclass(frozen=True, eq=False)
class ImportedModel:
    """A model graph that gives the scores of what it was read from.

    `estimator` is what predicts as the model itself does; `what` is its name for messages, `name` the one under which a
    server offers it, where no other is chosen. `kept` are rows of the calibration data as `estimator` takes them,
    `rows` the same as numbers, shape (rows, features), and `reference` its own scores of them, shape (rows, outputs);
    `predicted` is what its users see, shape (rows,) or (rows, 1), or (rows, targets) of a regression.
    """

    graph: ModelGraph
    estimator: Estimator
    what: str
    name: str
    kept: Rows
    rows: FloatArray
    reference: FloatArray
    predicted: npt.NDArray[Any]

    @property
    def predicts_column(self) -> bool:
        """Whether its predictions, one a row, have shape (rows, 1)."""
        return is_column(self.predicted)


def import_model(
    model: Estimator,
    X_train: Rows,
    *,
    labels: Sequence[float] | Sequence[str] | None = None,
    missing: str | Sequence[str] = "seen",
    accept: Accept | None = None,
) -> ImportedModel:
    """Read a fitted estimator or a network, and compare it with its own scores on the calibration data.

    Args:
        model: whatever `cryptable.compile` takes.
        X_train: calibration data, as the model's own `predict` takes it.
        labels: of a network's classes.
        missing: which columns may hold missing values, as `cryptable.compile` takes it.
        accept: told of an estimator's graph and of the estimator before they are compared, to refuse them at once.

    Raises:
        UnsupportedModelError, NotFittedError, ImportMismatchError, InvalidInputError: as `cryptable.compile`.
    """
    if not is_network(model):
        return _of_estimator(model, X_train, missing, type(model).__name__.lower(), accept)
    from cryptable.importers.networks.import_network import calibration_rows
    from cryptable.importers.networks.trees.as_estimator import read_trees

    if not hasattr(X_train, "shape"):  # a loader, a dataset, a list
        X_train = calibration_rows(X_train)
    trees = read_trees(model, X_train, labels)
    if trees is not None:
        return _of_estimator(trees, X_train, missing, trees.name or type(trees).__name__.lower(), accept)
    return _of_network(model, X_train, labels)


def _of_estimator(
    estimator: Estimator, X_train: Rows, missing: str | Sequence[str], name: str, accept: Accept | None
) -> ImportedModel:
    what = type(estimator).__name__
    with_gaps = takes_gaps(estimator)
    kept, rows, feature_names = read_rows(estimator, X_train, with_gaps=with_gaps)
    may_miss = columns_that_may_miss(missing, rows, feature_names) if with_gaps else frozenset()
    graph = import_estimator(estimator, feature_names, kept, rows, may_miss)
    if accept is not None:
        accept(graph, estimator)
    if isinstance(planned := planned_graph(graph), TreeEnsemble):
        restricted = restrict_missing(planned, may_miss)
        graph = graph.of(restricted) if isinstance(graph, ClientSide) else restricted
    if not has_steps(estimator):
        check_kinds(planned_graph(graph), rows, what)
    try:
        predicted = predictions_of(estimator, kept)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(f"{what} itself fails to predict X_train: {error}") from error
    if hasattr(X_train, "toarray"):
        _check_dense(estimator, X_train, predicted, what)
    check_targets(graph, predicted, what=what)
    reference = reference_scores(estimator, kept)
    verify_import(graph, rows, reference, what=what)
    verify_predictions(graph, rows, predicted, what=what)
    return ImportedModel(graph, estimator, what, name, kept, rows, reference, predicted)


def _check_dense(estimator: Estimator, X_train: Rows, predicted: npt.NDArray[Any], what: str) -> None:
    """Refuse an estimator that takes an entry which a sparse matrix does not store for something else than 0."""
    of_sparse = predictions_of(estimator, X_train[: len(predicted)])
    is_same = np.allclose if predicted.dtype.kind == "f" else np.array_equal  # doubles are added in another order
    if not is_same(of_sparse, predicted):
        raise InvalidInputError(
            f"X_train is sparse, and {what} predicts otherwise on X_train.toarray(): it takes entries that are not "
            "stored for missing values, where a client sends zeros. Fit it on an array, with NaN where values are "
            "missing, and give that"
        )


def _of_network(model: Estimator, X_train: Rows, labels: Sequence[float] | Sequence[str] | None) -> ImportedModel:
    from cryptable.importers.networks.import_network import traced_network

    network, graph, rows = traced_network(model, X_train, labels=labels)
    reference, exact = network.reference_scores(rows), network.exact_scores(rows)
    verify_import(graph, rows, exact, what=network.name)
    warn_of_undecided(exact, reference, what=network.name)
    name = network.name or type(network).__name__.lower()
    predicted = predictions_by(graph, reference)
    if graph.labels is None and _predicts_column(model, X_train):
        predicted = predicted.reshape(-1, 1)
    return ImportedModel(graph, network, network.name, name, rows, rows, reference, predicted)


def _predicts_column(model: Estimator, X_train: Rows) -> bool:
    """Whether a regression that is a network has a `predict`, as skorch's have, which gives an array (rows, 1)."""
    if not hasattr(model, "predict") or not hasattr(X_train, "shape"):
        return False
    return is_column(np.asarray(model.predict(np.asarray(X_train[:2], np.float32))))
