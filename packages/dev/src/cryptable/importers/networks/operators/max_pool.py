"""MaxPool: a tournament within each window, before the rectifier where one precedes it."""

from __future__ import annotations

import numpy as np

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.symbols import NOT_THERE, Value
from cryptable.importers.networks.operators.arithmetic import extreme, required
from cryptable.importers.networks.operators.registry import Tracer, operator
from cryptable.importers.networks.operators.windows import Windows
from cryptable.importers.networks.reference import NodeRunner


@operator("MaxPool", kind="lookups", note="one lookup less than a window has elements, for each window")
def convert(runner: NodeRunner, inputs: list[Value | None], tracer: Tracer) -> list[Value]:
    """Padding repeats an element of its window, which changes no maximum."""
    tensor = tracer.affine(required(inputs)[0])
    if len(runner.node.output) > 1:
        raise UnsupportedModelError("it gives the places of the maxima too; only their values can be computed")
    batch, channels, *spatial = tensor.shape
    (kernel,) = (tuple(each.ints) for each in runner.node.attribute if each.name == "kernel_shape")
    windows = Windows.of(runner.node, tuple(spatial), kernel)
    axes = len(spatial)
    index = windows.index(batch * channels, tuple(spatial))
    index = index.reshape(batch, channels, *index.shape[1 : 1 + axes], -1)
    index = np.where(index == NOT_THERE, index.max(axis=-1, keepdims=True), index)
    return [extreme(tensor.take(index), runner.node.name or runner.node.output[0], tracer, largest=True)]
