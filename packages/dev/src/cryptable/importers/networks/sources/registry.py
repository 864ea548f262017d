"""The registry of sources: which objects are networks, and which module of this package reads them."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.graph import Rows
from cryptable.importers.networks.onnx_network import OnnxNetwork

Read = Callable[[Any, Rows, Sequence[float] | Sequence[str] | None], OnnxNetwork]
"""(object, calibration data, labels) to a network."""


@dataclass(frozen=True)
class Source:
    """One kind of object: by class, "package.Class" as importers name them."""

    class_names: tuple[str, ...]
    read: Read


_by_class: dict[str, Source] = {}


def source(*class_names: str) -> Callable[[Read], Read]:
    """Register the decorated function for classes, named "package.Class" by their first package and their name.

    Raises:
        ValueError: a class that already has a reader.
    """

    def register(read: Read) -> Read:
        for name in class_names:
            if name in _by_class:
                raise ValueError(f"{name} has two readers; the second one is in {read.__module__}")
            _by_class[name] = Source(class_names, read)
        return read

    return register


def read_network(model: object, X: Rows, *, labels: Sequence[float] | Sequence[str] | None = None) -> OnnxNetwork:
    """Read any network that a source knows.

    Args:
        model: a path of an .onnx file, an onnx.ModelProto, a torch.nn.Module, ...
        X: calibration data, of which one row may be needed to export.
        labels: of the classes.

    Raises:
        UnsupportedModelError: no source for its class, or one of what it holds cannot be compiled.
        InvalidInputError: no such file, or not a network.
    """
    found = _find(model)
    if found is None:
        raise UnsupportedModelError(
            f"{type(model).__module__}.{type(model).__qualname__} is no network that can be read; "
            f"supported: {', '.join(sorted(_by_class))}"
        )
    return found.read(model, X, labels)


def _find(model: object) -> Source | None:
    _discover()
    for base in type(model).__mro__:
        found = _by_class.get(f"{base.__module__.partition('.')[0]}.{base.__name__}")
        if found is not None:
            return found
    return None


@cache
def _discover() -> None:
    package = importlib.import_module("cryptable.importers.networks.sources")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"cryptable.importers.networks.sources.{module.name}")
