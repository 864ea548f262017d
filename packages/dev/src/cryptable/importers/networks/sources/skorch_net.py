"""skorch's nets: the torch module inside, with the labels that the net predicts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cryptable_protocol import InvalidInputError

from cryptable.errors import NotFittedError, UnsupportedModelError
from cryptable.graphs.graph import Rows
from cryptable.importers.networks.onnx_network import OnnxNetwork
from cryptable.importers.networks.reading import read_model
from cryptable.importers.networks.sources.registry import source
from cryptable.importers.networks.sources.torch_module import exported

_CLASSIFIERS = ("NeuralNetClassifier", "NeuralNetBinaryClassifier")
_EVEN = 0.5


@source("skorch.NeuralNet")
def read(net: Any, X: Rows, labels: Sequence[float] | Sequence[str] | None) -> OnnxNetwork:  # noqa: ANN401
    """A classifier's labels are what it predicts, the numbers of its classes, unless others are given.

    Raises:
        NotFittedError: it has no module yet.
        UnsupportedModelError: a threshold other than one half, or a module that gives several tensors.
    """
    module = getattr(net, "module_", None)
    if module is None:
        raise NotFittedError(f"this {type(net).__name__} is not fitted: call fit(X, y) before compiling")
    name = type(net).__name__.lower()
    threshold = getattr(net, "threshold", _EVEN)
    if threshold != _EVEN:
        raise UnsupportedModelError(
            f"{type(net).__name__} has threshold={threshold}, expected 0.5; let clients compare predict_proba with it"
        )
    model = exported(module, X)
    network = read_model(model, name=name, labels=labels)
    is_classifier = any(base.__name__ in _CLASSIFIERS for base in type(net).__mro__)
    if labels is not None or not is_classifier:
        if labels is not None and not is_classifier:
            raise InvalidInputError(f"labels= is for classifiers, {type(net).__name__} is none")
        return network
    return read_model(model, name=name, labels=range(max(2, network.outputs)))
