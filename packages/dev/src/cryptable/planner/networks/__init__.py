"""Neural networks, from ONNX to a Circuit. Loading it loads no ONNX: that happens when a network is read."""

from __future__ import annotations

from typing import Literal, TypeAlias

RangeChoice: TypeAlias = Literal["sound", "minmax", "percentile", "mse"]
"""Where the ends of tables lie; see `ranges`."""
Rounding: TypeAlias = Literal["approximate", "exact"]
"""How the bits that a lookup drops are taken off: by the lookup itself, or by one lookup of one bit each before it."""

DEFAULT_BITS = 4
"""Kept before each lookup."""
MAX_DROP = 0.005
"""Of accuracy or R², that `bits="auto"` and `autotune` may give up for fewer bits."""

_NETWORKS = frozenset(
    {
        "onnx.ModelProto",
        "torch.Module",
        "builtins.str",
        "pathlib.Path",
        "cryptable.OnnxNetwork",
        "hummingbird.SklearnContainer",
    }
)
"""Classes that a module of `sources/` reads, by first package and name."""

READOUT_TOLERANCE = 0.05
"""Three standard deviations of the noise that approximate readout leaves, as a part of the scores' own deviation."""


def is_network(model: object) -> bool:
    """Whether `model` is of a class that `sources.registry.read_network` knows."""
    return any(f"{base.__module__.partition('.')[0]}.{base.__name__}" in _NETWORKS for base in type(model).__mro__)


def is_trained(model: object) -> bool:
    """Whether `model` is an estimator of `cryptable.neural`, which is a network of integers already."""
    return hasattr(model, "trained_integers")
