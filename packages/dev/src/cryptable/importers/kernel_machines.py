"""scikit-learn's kernel machines: support vector machines, kernel ridge regression."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from cryptable_protocol import Labels, Link
from cryptable_protocol.encoding.links import votes_of_pairs

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.graph import Estimator, FloatArray, IntArray, LinearModel, Rows
from cryptable.graphs.kernels import KernelMachine
from cryptable.graphs.pair_votes import PairVotes
from cryptable.importers.reading.kernels import Kernel, read_kernel_machine
from cryptable.importers.reading.labels import labels_of
from cryptable.importers.registry import importer


def _votes(estimator: Estimator, rows: Rows) -> FloatArray:
    """Of several classes their votes, whichever shape is asked for."""
    scores = np.asarray(estimator.decision_function(rows), np.float64)
    is_of_pairs = len(estimator.classes_) > 2 and estimator.decision_function_shape == "ovo"
    return votes_of_pairs(scores) if is_of_pairs else scores


def _decision(estimator: Estimator, rows: Rows) -> FloatArray:
    return np.asarray(estimator.decision_function(rows), np.float64)


def _prediction(estimator: Estimator, rows: Rows) -> FloatArray:
    return np.asarray(estimator.predict(rows), np.float64)


@importer("sklearn.svm.SVC", "sklearn.svm.NuSVC", reference=_votes)
def read_classifier(estimator: Estimator, feature_names: tuple[str, ...]) -> KernelMachine | LinearModel | PairVotes:
    """The margin of the second class; of several, one of each pair, by which clients count votes."""
    labels = labels_of(estimator.classes_, type(estimator).__name__)
    if len(labels) == 2:
        return _machine(estimator, feature_names, Link.MARGIN, labels)
    return PairVotes(_machine(estimator, feature_names, Link.IDENTITY, None), labels, bool(estimator.break_ties))


@importer("sklearn.svm.SVR", "sklearn.svm.NuSVR", reference=_prediction)
def read_regressor(estimator: Estimator, feature_names: tuple[str, ...]) -> KernelMachine | LinearModel:
    """The prediction."""
    return _machine(estimator, feature_names, Link.IDENTITY, None)


@importer("sklearn.svm.OneClassSVM", reference=_decision)
def read_one_class(estimator: Estimator, feature_names: tuple[str, ...]) -> KernelMachine | LinearModel:
    """What is positive for inliers, label 1, and else not, label -1."""
    return _machine(estimator, feature_names, Link.MARGIN, (-1, 1))


@importer("sklearn.kernel_ridge.KernelRidge", reference=_prediction)
def read_ridge(estimator: Estimator, feature_names: tuple[str, ...]) -> KernelMachine | LinearModel:
    """The prediction: a sum over all rows that it was fitted on."""
    vectors = estimator.X_fit_
    weights = np.asarray(estimator.dual_coef_, np.float64).reshape(len(vectors), -1)
    base = np.zeros(weights.shape[1])
    if estimator.kernel == "linear":
        return LinearModel(feature_names, np.asarray(vectors).T @ weights, base, Link.IDENTITY, None)
    _refuse_functions(estimator)
    gamma = 1.0 / vectors.shape[1] if estimator.gamma is None else float(estimator.gamma)
    kernel = Kernel(estimator.kernel, gamma, float(estimator.coef0), float(estimator.degree))
    return read_kernel_machine(
        kernel,
        vectors,
        weights,
        base,
        what=type(estimator).__name__,
        feature_names=feature_names,
        link=Link.IDENTITY,
        labels=None,
    )


def _machine(
    estimator: Estimator, feature_names: tuple[str, ...], link: Link, labels: Labels | None
) -> KernelMachine | LinearModel:
    dual = estimator.dual_coef_
    dense_dual = np.asarray(dual.toarray() if hasattr(dual, "toarray") else dual, np.float64)
    weights = dense_dual.T if len(dense_dual) == 1 else _weights_of_pairs(dense_dual, estimator.n_support_)
    base = np.asarray(estimator.intercept_, np.float64)
    if estimator.kernel == "linear":
        coefficients = estimator.coef_
        dense = coefficients.toarray() if hasattr(coefficients, "toarray") else np.asarray(coefficients)
        return LinearModel(feature_names, np.asarray(dense, np.float64).T, base, link, labels)
    _refuse_functions(estimator)
    kernel = Kernel(estimator.kernel, float(estimator._gamma), float(estimator.coef0), float(estimator.degree))
    return read_kernel_machine(
        kernel,
        estimator.support_vectors_,
        weights,
        base,
        what=type(estimator).__name__,
        feature_names=feature_names,
        link=link,
        labels=labels,
    )


def _weights_of_pairs(dual: FloatArray, counts: IntArray) -> FloatArray:
    """Of each vector in each pair of classes, shape (vectors, pairs).

    Args:
        dual: of each vector against each other class, in their order; shape (classes - 1, vectors).
        counts: how many of the vectors, in their order, are of each class.
    """
    classes = len(counts)
    of_class = np.repeat(np.arange(classes), counts)
    pairs = list(combinations(range(classes), 2))
    weights = np.zeros((dual.shape[1], len(pairs)))
    for pair, (one, other) in enumerate(pairs):
        weights[of_class == one, pair] = dual[other - 1, of_class == one]
        weights[of_class == other, pair] = dual[one, of_class == other]
    return weights


def _refuse_functions(estimator: Estimator) -> None:
    if not isinstance(estimator.kernel, str):
        raise UnsupportedModelError(
            f"{type(estimator).__name__} has a kernel of your own, which cannot be read; fit it with kernel='rbf'"
        )
