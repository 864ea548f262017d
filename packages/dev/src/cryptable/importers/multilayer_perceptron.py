"""scikit-learn's multilayer perceptrons, as networks: one layer of lookups for each hidden layer."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import reduce

import numpy as np
from cryptable_protocol import Link
from scipy.sparse import csr_array  # type: ignore[import-untyped]

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.graph import Estimator, FloatArray, Rows
from cryptable.graphs.network import Layer, SegmentedNetwork
from cryptable.importers.reading.labels import labels_of
from cryptable.importers.registry import importer

_ACTIVATIONS: dict[str, Callable[[FloatArray], FloatArray]] = {
    "relu": lambda sums: np.maximum(sums, 0.0),
    "tanh": np.tanh,
    "logistic": lambda sums: 0.5 + 0.5 * np.tanh(sums / 2),
}
_LINKS = {
    "softmax": Link.SOFTMAX,
    "logistic": Link.SIGMOID,
    "identity": Link.IDENTITY,
    "exp": Link.EXPONENTIAL,
}


def _reference(estimator: Estimator, rows: Rows) -> FloatArray:
    """What its last layer sums up, before the output's activation."""
    before = copy.copy(estimator)
    before.out_activation_ = "identity"
    scores: FloatArray = before._forward_pass_fast(np.asarray(rows), check_input=False)
    return scores


@importer(
    "sklearn.neural_network.MLPClassifier",
    "sklearn.neural_network.MLPRegressor",
    reference=_reference,
)
def read(estimator: Estimator, feature_names: tuple[str, ...]) -> SegmentedNetwork:
    """Weights and biases as they are.

    Raises:
        UnsupportedModelError: several targets, or an activation of scikit-learn's that is not known.
    """
    output = str(estimator.out_activation_)
    labels = labels_of(estimator.classes_, type(estimator).__name__) if hasattr(estimator, "classes_") else None
    outputs = int(estimator.n_outputs_)
    if output not in _LINKS or (outputs > 1 and output != "softmax" and labels is not None):
        raise UnsupportedModelError(
            f"{type(estimator).__name__} was fitted on {outputs} targets, or has the output activation {output!r}; fit "
            "one for each target"
        )
    activation = str(estimator.activation)
    if activation not in (*_ACTIVATIONS, "identity"):
        raise UnsupportedModelError(
            f"{type(estimator).__name__} has activation={activation!r}, expected one of "
            f"{', '.join(map(repr, _ACTIVATIONS))}"
        )
    sums = [
        (np.asarray(weights, np.float64).T, np.asarray(biases, np.float64))
        for weights, biases in zip(estimator.coefs_, estimator.intercepts_, strict=True)
    ]
    if activation == "identity":  # one linear map after the other
        sums = [reduce(lambda one, then: (then[0] @ one[0], then[0] @ one[1] + then[1]), sums)]
    *hidden, (weights, offset) = sums
    layers, first, variables = [], 0, len(feature_names)
    for number, (own, biases) in enumerate(hidden, 1):
        layers.append(Layer(f"hidden layer {number}", _reading(own, first), biases, _ACTIVATIONS[activation]))
        first, variables = variables, variables + len(biases)
    return SegmentedNetwork(feature_names, tuple(layers), _reading(weights, first), offset, _LINKS[output], labels)


def _reading(weights: FloatArray, first: int) -> csr_array:
    """Weights of shape (sums, variables), of the variables from `first` on."""
    found = csr_array(weights)
    return csr_array((found.data, found.indices + first, found.indptr), (weights.shape[0], first + weights.shape[1]))
