"""What operators of several tensors share: broadcasting, sums, and lookups of differences."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

import numpy as np

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.graph import FloatArray
from cryptable.graphs.symbols import Affine, Constant, Pending, Shape, Value, is_encrypted, stacked
from cryptable.importers.networks.operators.registry import Tracer
from cryptable.importers.networks.reference import NodeRunner


def required(inputs: list[Value | None]) -> list[Value]:
    """The inputs, none of which may be left out."""
    if any(value is None for value in inputs):
        raise UnsupportedModelError("an input is left out")
    return [value for value in inputs if value is not None]


def constants(inputs: list[Value | None], names: str) -> list[Constant | None]:
    """Inputs that must not depend on encrypted numbers; `names` is for the message."""
    for value in inputs:
        if value is not None and is_encrypted(value):
            raise UnsupportedModelError(f"{names} must be constants, not encrypted numbers")
    return inputs  # type: ignore[return-value]


def broadcast(tensor: Affine, shape: Shape) -> Affine:
    """The tensor with elements repeated to fill `shape`."""
    if tensor.shape == shape:
        return tensor
    return tensor.take(np.broadcast_to(np.arange(tensor.size).reshape(tensor.shape), shape))


def common_shape(values: list[Value]) -> Shape:
    """What operators with broadcasting give."""
    return tuple(np.broadcast_shapes(*(value.shape for value in values)))


def total(values: list[Value], signs: list[float], tracer: Tracer) -> Affine:
    """A signed sum, with broadcasting."""
    shape = common_shape(values)
    tensors = []
    dtype = next((tracer.affine(value).dtype for value in values if is_encrypted(value)), np.dtype(np.float32))
    for value, sign in zip(values, signs, strict=True):
        tensor = broadcast(tracer.affine(value), shape)
        tensors.append(tensor if sign == 1.0 else tensor.scaled(np.full(shape, sign)))
    return reduce(Affine.plus, tensors).as_type(dtype)


def elementwise_or_none(values: list[Value], runner: NodeRunner, tracer: Tracer) -> Pending | None:
    """The operator as a step of a chain, where a pending function is among its inputs and that is possible."""
    if any(isinstance(value, Pending) for value in values):
        return tracer.fused(values, runner)
    return None


def larger(one: Affine, other: Affine, name: str, tracer: Tracer) -> Affine:
    """max(a, b) = b + relu(a - b): one lookup an element."""
    difference = one.plus(other.scaled(np.full(other.shape, -1.0)))
    return other.plus(tracer.affine(tracer.apply(difference, _relu, name)))


def smaller(one: Affine, other: Affine, name: str, tracer: Tracer) -> Affine:
    """min(a, b) = b - relu(b - a)."""
    difference = other.plus(one.scaled(np.full(one.shape, -1.0)))
    looked_up = tracer.affine(tracer.apply(difference, _relu, name))
    return other.plus(looked_up.scaled(np.full(other.shape, -1.0)))


def picked(
    inputs: list[Value | None],
    runner: NodeRunner,
    tracer: Tracer,
    pick: Callable[[Affine, Affine, str, Tracer], Affine],
) -> Value:
    """One of several tensors, element by element: fused where possible, else by `larger` or `smaller`, one by one."""
    values = required(inputs)
    found = tracer.fused(values, runner)
    if found is not None:
        return found
    shape, name = common_shape(values), runner.node.name or runner.node.output[0]
    tensors = [broadcast(tracer.affine(value), shape) for value in values]
    return reduce(lambda one, other: pick(one, other, name, tracer), tensors)


def product(one: Affine, other: Affine, name: str, tracer: Tracer) -> Affine:
    """A * b = ((a + b) / 2)^2 - ((a - b) / 2)^2: two lookups an element."""
    half = np.full(one.shape, 0.5)
    sums = one.plus(other).scaled(half)
    differences = one.plus(other.scaled(np.full(other.shape, -1.0))).scaled(half)
    first = tracer.affine(tracer.apply(sums, np.square, name))
    second = tracer.affine(tracer.apply(differences, np.square, name))
    return first.plus(second.scaled(np.full(second.shape, -1.0)))


def extreme(tensor: Affine, name: str, tracer: Tracer, *, largest: bool) -> Affine:
    """The largest or smallest along the last axis, by a tournament: one lookup less than the axis has elements."""
    pick = larger if largest else smaller
    while tensor.shape[-1] > 1:
        index = np.arange(tensor.size).reshape(tensor.shape)
        pairs = tensor.shape[-1] // 2
        left, right = tensor.take(index[..., :pairs]), tensor.take(index[..., pairs : 2 * pairs])
        found = pick(left, right, name, tracer)
        rest = index[..., 2 * pairs :]
        if rest.size:
            place = np.arange(found.size).reshape(found.shape)
            joined = stacked([found, tensor])
            found = joined.take(np.concatenate([place, found.size + rest], axis=-1))
        tensor = found
    return tensor.reshaped(tensor.shape[:-1])


def _relu(numbers: Constant) -> FloatArray:
    return np.maximum(numbers, 0.0)
