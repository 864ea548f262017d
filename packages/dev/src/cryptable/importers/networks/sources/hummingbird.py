"""What `hummingbird.ml.convert` returns, where it is a network: its ONNX model, or its torch module."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import onnx

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.graph import Rows
from cryptable.importers.networks.onnx_network import OnnxNetwork
from cryptable.importers.networks.reading import read_model
from cryptable.importers.networks.several_inputs import row_shapes
from cryptable.importers.networks.sources.registry import source
from cryptable.importers.networks.sources.torch_module import exported
from cryptable.importers.registry import advice_for, has_importer

_PREFIX = "Sklearn"
"""Of the names that hummingbird gives operators, whatever library they are of."""


@source("hummingbird.SklearnContainer")
def read(container: Any, X: Rows, labels: Sequence[float] | Sequence[str] | None) -> OnnxNetwork:  # noqa: ANN401
    """By the backend that it was converted for, "onnx" or "torch".

    Raises:
        UnsupportedModelError: a classifier whose conversion gives classes, and no scores that they come from.
    """
    inner = container.model
    model = inner if isinstance(inner, onnx.ModelProto) else exported(inner, X)
    network = read_model(model, name="network", row_shape=row_shapes(X))
    if network.labels is None and type(container).__name__.endswith("Classification"):
        raise UnsupportedModelError("it gives the number of the class alone, and no scores that it is chosen by")
    return network if labels is None else read_model(model, name="network", row_shape=row_shapes(X), labels=labels)


@contextmanager
def naming_conversion(model: object) -> Iterator[None]:
    """What cannot be compiled of hummingbird's is told with the model's name, and what to do instead."""
    try:
        yield
    except UnsupportedModelError as error:
        if not type(model).__module__.startswith("hummingbird."):
            raise
        name = _converted_from(model)
        if not name:
            advice = "where compile takes the model that was converted, give it that"
        elif has_importer(name):
            advice = f"compile the fitted {name} itself, or the pipeline that ends in it, without converting it"
        else:
            advice = advice_for(name) or "see cryptable.supported_estimators() for models that can be compiled"
        raise UnsupportedModelError(
            f"what hummingbird made of {name or 'the model'} cannot be compiled: {advice}. The reason: {error}"
        ) from error


def _converted_from(converted: object) -> str:
    """Class of the estimator, the last one of a pipeline; empty where container or module does not say."""
    listed = getattr(getattr(converted, "model", converted), "_operators", None)
    *_, last = [None] if listed is None else listed.children()
    name = str(getattr(last, "name", ""))
    if name.startswith(_PREFIX):
        return name.removeprefix(_PREFIX).rstrip("0123456789")  # a second one of a kind has a number
    traced = str(getattr(last, "original_name", ""))  # hummingbird's own class: often, not always, named alike
    return traced if has_importer(traced) or advice_for(traced) else ""
