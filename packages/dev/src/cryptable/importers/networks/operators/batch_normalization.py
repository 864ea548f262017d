"""BatchNormalization: one affine function a channel."""

from __future__ import annotations

import numpy as np

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.symbols import Affine, Pending, Value
from cryptable.importers.networks.operators.arithmetic import constants, required
from cryptable.importers.networks.operators.registry import Tracer, operator
from cryptable.importers.networks.reference import NodeRunner


@operator("BatchNormalization", kind="linear", note="in inference")
def convert(runner: NodeRunner, inputs: list[Value | None], tracer: Tracer) -> list[Value]:
    """Scaled and shifted; behind a function, a step of its chain."""
    values = required(inputs)
    data = values[0]
    scale, bias, mean, variance = (np.asarray(each, np.float64) for each in constants(list(values[1:]), "statistics"))
    attributes = {each.name: each for each in runner.node.attribute}
    if "training_mode" in attributes and attributes["training_mode"].i:
        raise UnsupportedModelError("it is in training mode; export the network in evaluation mode (model.eval())")
    if isinstance(data, Pending):
        found = tracer.fused(values, runner)
        if found is not None:
            return [found]
    tensor = tracer.affine(data)
    epsilon = attributes["epsilon"].f if "epsilon" in attributes else 1e-5
    factor = scale / np.sqrt(variance + epsilon)
    channels = (1, -1, *[1] * (len(tensor.shape) - 2))
    factors = np.broadcast_to(factor.reshape(channels), tensor.shape)
    shifts = np.broadcast_to((bias - mean * factor).reshape(channels), tensor.shape)
    return [tensor.scaled(factors).plus(Affine.of_constant(np.array(shifts)))]
