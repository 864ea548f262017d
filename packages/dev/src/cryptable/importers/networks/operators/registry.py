"""The registry of operators: which module of this package converts which operator of ONNX, found by a walk over it."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol

import numpy as np
import onnx

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.graph import FloatArray
from cryptable.graphs.symbols import Affine, Constant, Pending, Value, is_encrypted, stacked
from cryptable.importers.networks.reference import NodeRunner


class Tracer(Protocol):
    """What operators ask of the trace."""

    def affine(self, value: Value) -> Affine:
        """Whatever it is as an affine tensor: a pending function is looked up."""

    def apply(self, base: Affine, function: Callable[[Constant], Constant], name: str) -> Pending:
        """A function of each element of an affine tensor, which takes and gives arrays of its shape."""

    def one_hot(self, index: Value, categories: int) -> Affine | None:
        """Of each element of an index whether it is category 0, 1, ...: the last axis; None where one is no feature."""

    def fused(self, values: Sequence[Value | None], runner: NodeRunner) -> Pending | None:
        """An elementwise operator on functions of the same sums; None where they are of different ones."""


Convert = Callable[[NodeRunner, list[Value | None], Tracer], list[Value]]


@dataclass(frozen=True)
class Operator:
    """How one operator of ONNX is converted, and what the support table says of it."""

    name: str
    domain: str
    kind: str
    note: str
    convert: Convert


_operators: dict[tuple[str, str], Operator] = {}

_ADVICE = {
    "InstanceNormalization": "use BatchNormalization, whose statistics are constants after training",
    "LayerNormalization": "use BatchNormalization, whose statistics are constants after training",
    "GroupNormalization": "use BatchNormalization, whose statistics are constants after training",
    "Softmax": "it is taken off where it is the last operator; inside a network, use Sigmoid or Relu",
    "LogSoftmax": "it is taken off where it is the last operator; inside a network, use Sigmoid or Relu",
    "ArgMax": "it is taken off where it is the last operator, since clients compute it on decrypted scores",
    "TopK": "let clients sort the decrypted scores",
    "Attention": "products of encrypted numbers cost two lookups each; use convolutions or fully connected layers",
    "Loop": "unroll it",
    "If": "export the branch that is taken",
}


def operator(*names: str, kind: str, note: str = "", domain: str = "") -> Callable[[Convert], Convert]:
    """Register the decorated function for operators of ONNX.

    Args:
        names: of the operators.
        kind: "linear", "structural", "elementwise" or "lookups", for the support table.
        note: what the support table says of limits and costs.
        domain: of the operators; "" is ONNX' own.

    Raises:
        ValueError: an operator that already has a converter.
    """

    def register(convert: Convert) -> Convert:
        for name in names:
            if (domain, name) in _operators:
                raise ValueError(f"{name} has two converters; the second one is in {convert.__module__}")
            _operators[domain, name] = Operator(name, domain, kind, note, convert)
        return convert

    return register


def structural(name: str, *, data: int | None = 1, note: str = "") -> None:
    """Register an operator that only moves elements, as `moving` converts it.

    Args:
        name: of the operator.
        data: how many of its first inputs are moved; None for all.
        note: for the support table.
    """
    operator(name, kind="structural", note=note)(moving(data))


def moving(data: int | None = 1) -> Convert:
    """Converts an operator that only moves elements of its first `data` inputs: it is run on their numbers."""

    def convert(runner: NodeRunner, inputs: list[Value | None], tracer: Tracer) -> list[Value]:
        count = len(inputs) if data is None else data
        given: list[Constant | None] = []
        for index, value in enumerate(inputs[count:], start=count):
            if value is not None and is_encrypted(value):
                raise UnsupportedModelError(
                    f"its input {index} ({runner.node.input[index]!r}) depends on encrypted numbers; "
                    "it must be a constant"
                )
            given.append(value)  # type: ignore[arg-type]
        moved = [value for value in inputs[:count] if value is not None]
        if len(moved) == 1 and isinstance(moved[0], Pending):
            pending = moved[0]
            size = int(np.prod(pending.shape))
            outputs = runner.run([np.arange(size).reshape(pending.shape), *given])
            return [_taken(pending, index.astype(np.int64)) for index in outputs]
        tensors = [tracer.affine(value) for value in moved]
        numbers, start = [], 0
        for tensor in tensors:
            numbers.append((start + np.arange(tensor.size)).reshape(tensor.shape))
            start += tensor.size
        joined = stacked(tensors)
        return [joined.take(index.astype(np.int64)) for index in runner.run([*numbers, *given])]

    return convert


def _taken(pending: Pending, index: np.ndarray) -> Pending:  # type: ignore[type-arg]
    def function(numbers: Constant) -> Constant:
        moved: Constant = np.asarray(pending.function(numbers)).ravel()[index]
        return moved

    return Pending(pending.base, pending.source.ravel()[index], function, pending.chain, pending.whole)


def linear(name: str, *, note: str = "", domain: str = "") -> None:
    """Register an operator that is linear in its first input: its matrix is got by running it on unit vectors.

    Args:
        name: of the operator.
        note: for the support table.
        domain: of the operator.
    """

    def convert(runner: NodeRunner, inputs: list[Value | None], tracer: Tracer) -> list[Value]:
        first, *others = inputs
        if any(value is not None and is_encrypted(value) for value in others):
            raise UnsupportedModelError("only its first input may depend on encrypted numbers")
        if first is None:
            raise UnsupportedModelError("it has no first input")
        tensor = tracer.affine(first)
        return [probed(runner, tensor, others)]  # type: ignore[arg-type]

    operator(name, kind="linear", note=note, domain=domain)(convert)


def probed(runner: NodeRunner, tensor: Affine, others: list[Constant | None]) -> Affine:
    """A linear operator applied to an affine tensor, by running it on unit vectors, and on zero for its constant."""
    from scipy.sparse import csr_array, hstack  # type: ignore[import-untyped]

    unit: FloatArray = np.zeros(tensor.size, tensor.dtype if tensor.dtype.kind == "f" else np.float32)
    constant = runner.run([unit.reshape(tensor.shape), *others])[0].astype(np.float64)
    columns = []
    for element in range(tensor.size):
        unit[element] = 1.0
        result = runner.run([unit.reshape(tensor.shape), *others])[0]
        unit[element] = 0.0
        columns.append(csr_array((result.astype(np.float64) - constant).reshape(-1, 1)))
    found = tensor.mapped(csr_array(hstack(columns, format="csr")), constant.shape)
    return found.plus(Affine.of_constant(constant))


def find_operator(node: onnx.NodeProto) -> Operator:
    """The converter of a node's operator.

    Raises:
        UnsupportedModelError: there is none; names the node, and says what to do.
    """
    discover()
    found = _operators.get(
        (node.domain.replace("ai.onnx", "") if node.domain == "ai.onnx" else node.domain, node.op_type)
    )
    if found is not None:
        return found
    name = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
    advice = _ADVICE.get(node.op_type, "express it with supported operators, or move it to before or after the network")
    raise UnsupportedModelError(
        f"{name} node {node.name or node.output[0]!r}: this operator cannot be compiled on encrypted numbers; "
        f"{advice}. "
        f"Supported: {', '.join(each.name for each in supported_operators())}"
    )


def supported_operators() -> tuple[Operator, ...]:
    """All of them, by name."""
    discover()
    return tuple(sorted(_operators.values(), key=lambda each: (each.domain, each.name)))


@cache
def discover() -> None:
    """Import every module of this package."""
    package = importlib.import_module("cryptable.importers.networks.operators")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"cryptable.importers.networks.operators.{module.name}")
