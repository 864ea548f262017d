"""Neural networks, from ONNX to a model graph. Loading it loads no ONNX: that happens when a network is read."""

from __future__ import annotations

_NETWORKS = frozenset(
    {
        "onnx.ModelProto",
        "torch.Module",
        "builtins.str",
        "pathlib.Path",
        "cryptable.OnnxNetwork",
        "hummingbird.SklearnContainer",
        "skorch.NeuralNet",
        "torch.ExportedProgram",
        "torch.ONNXProgram",
    }
)
"""Classes that a module of `sources/` reads, by first package and name."""


def is_network(model: object) -> bool:
    """Whether `model` is of a class that `sources.registry.read_network` knows."""
    return any(f"{base.__module__.partition('.')[0]}.{base.__name__}" in _NETWORKS for base in type(model).__mro__)
