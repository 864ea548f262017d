"""Gemm: a fully connected layer."""

from __future__ import annotations

import numpy as np

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.symbols import Affine, Value, is_encrypted
from cryptable.importers.networks.operators.arithmetic import required, total
from cryptable.importers.networks.operators.matmul import times
from cryptable.importers.networks.operators.registry import Tracer, operator
from cryptable.importers.networks.reference import NodeRunner


@operator("Gemm", kind="linear", note="one matrix is constant")
def convert(runner: NodeRunner, inputs: list[Value | None], tracer: Tracer) -> list[Value]:
    """Alpha * A @ B + beta * C."""
    values = required(inputs)
    attributes = {each.name: each for each in runner.node.attribute}
    alpha = attributes["alpha"].f if "alpha" in attributes else 1.0
    beta = attributes["beta"].f if "beta" in attributes else 1.0
    transposed = [bool(name in attributes and attributes[name].i) for name in ("transA", "transB")]
    sides = [_turned(value, turn) for value, turn in zip(values[:2], transposed, strict=True)]
    if all(is_encrypted(side) for side in values[:2]):
        raise UnsupportedModelError(
            "it multiplies two encrypted matrices, at two lookups a product; use weights that are constants"
        )
    if is_encrypted(values[0]):
        product = times(
            _turned_affine(tracer.affine(values[0]), transposed[0]), alpha * np.asarray(sides[1], np.float64)
        )
    elif is_encrypted(values[1]):
        tensor = _turned_affine(tracer.affine(values[1]), not transposed[1])
        product = _turned_affine(times(tensor, alpha * np.asarray(sides[0], np.float64).T), turn=True)
    else:
        product = Affine.of_constant(alpha * np.asarray(sides[0], np.float64) @ np.asarray(sides[1], np.float64))
    if len(values) < 3:
        return [product]
    return [total([product, values[2]], [1.0, beta], tracer)]


def _turned(value: Value, turn: bool) -> Value:
    return value.T if turn and isinstance(value, np.ndarray) else value


def _turned_affine(tensor: Affine, turn: bool) -> Affine:
    return tensor.take(np.arange(tensor.size).reshape(tensor.shape).T) if turn else tensor
