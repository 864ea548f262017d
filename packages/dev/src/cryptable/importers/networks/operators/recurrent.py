"""RNN, GRU, LSTM: unrolled, one step after the other; products of gates take two lookups an element."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import helper

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.graph import FloatArray
from cryptable.graphs.symbols import Affine, Constant, Pending, Value, is_encrypted, stacked
from cryptable.importers.networks.operators.arithmetic import product
from cryptable.importers.networks.operators.matmul import times
from cryptable.importers.networks.operators.registry import Tracer, operator
from cryptable.importers.networks.reference import NodeRunner


def _sigmoid(numbers: Constant) -> Constant:
    return np.asarray(1 / (1 + np.exp(-numbers)))


_FUNCTIONS: dict[str, Callable[[Constant], Constant]] = {
    "sigmoid": _sigmoid,
    "tanh": np.tanh,
    "relu": lambda numbers: np.maximum(numbers, 0),
}
_DEFAULTS = {"RNN": ("tanh",), "GRU": ("sigmoid", "tanh"), "LSTM": ("sigmoid", "tanh", "tanh")}
_STATES = {"RNN": 1, "GRU": 1, "LSTM": 2}
_FIRST_STATE = 5
"""Among the inputs; X, W, R, B and sequence_lens come before."""


@dataclass(frozen=True, eq=False)
class _Cell:
    """One direction of a recurrent node: weights of shape (inputs, gates), (size, gates), biases (gates,) of both."""

    kind: str
    weights: FloatArray
    recurrent: FloatArray
    bias: FloatArray
    recurrent_bias: FloatArray
    activation: str
    resets_after: bool
    name: str
    tracer: Tracer

    @property
    def size(self) -> int:
        return len(self.recurrent)

    def function(self, name: str, value: Affine, step: int) -> Affine:
        """Looked up."""
        found = self.tracer.apply(value, _FUNCTIONS[name], f"{self.name}, step {step}, {name}")
        return self.tracer.affine(found)

    def product(self, one: Affine, other: Affine, step: int) -> Affine:
        """Element by element; free where one side is a constant."""
        for left, right in ((one, other), (other, one)):
            if not left.matrix.nnz:
                return right.scaled(left.offset.reshape(right.shape))
        return product(one, other, f"{self.name}, step {step}, product", self.tracer)

    def step(self, given: Affine, states: list[Affine], number: int) -> list[Affine]:
        """The states after one more element of the sequence, of shape (1, inputs)."""
        hidden = states[0]
        own = _plus(times(given, self.weights), self.bias)
        before = _plus(times(hidden, self.recurrent), self.recurrent_bias)
        if self.kind == "RNN":
            return [self.function(self.activation, own.plus(before), number)]
        size = self.size
        if self.kind == "LSTM":
            sums = own.plus(before)
            gates = self.function("sigmoid", _part(sums, 0, 3 * size), number)
            given_in, out, forget = (_part(gates, index * size, size) for index in range(3))
            new = self.function("tanh", _part(sums, 3 * size, size), number)
            cell = self.product(forget, states[1], number).plus(self.product(given_in, new, number))
            return [self.product(out, self.function("tanh", cell, number), number), cell]
        gates = self.function("sigmoid", _part(own.plus(before), 0, 2 * size), number)
        update, reset = _part(gates, 0, size), _part(gates, size, size)
        if self.resets_after:
            kept = self.product(reset, _part(before, 2 * size, size), number)
        else:
            columns, bias = self.recurrent[:, 2 * size :], self.recurrent_bias[2 * size :]
            kept = _plus(times(self.product(reset, hidden, number), columns), bias)
        new = self.function("tanh", _part(own, 2 * size, size).plus(kept), number)
        # (1 - z) * new + z * hidden, in one product.
        return [new.plus(self.product(update, hidden.plus(_negative(new)), number))]


@operator("RNN", "GRU", "LSTM", kind="lookups", note="unrolled; a product of two gates takes two lookups an element")
def convert(runner: NodeRunner, inputs: list[Value | None], tracer: Tracer) -> list[Value]:
    """Each direction by itself, all of its states one after the other."""
    node = runner.node
    options = {each.name: helper.get_attribute_value(each) for each in node.attribute}
    inputs = [*inputs, *[None] * (8 - len(inputs))]
    given, weights, recurrent, bias, lengths, *states, peepholes = inputs
    activations = _activations(node.op_type, options)
    if given is None or any(value is None or is_encrypted(value) for value in (weights, recurrent)):
        raise UnsupportedModelError("its weights must be constants")
    if bias is not None and is_encrypted(bias):
        raise UnsupportedModelError("its biases must be constants")
    if lengths is not None or not _is_zero(peepholes):
        raise UnsupportedModelError("sequences of unequal lengths, and peepholes, are not supported")
    if options.get("clip") or options.get("input_forget"):
        raise UnsupportedModelError("its attributes clip and input_forget are not supported")
    layout = int(options.get("layout", 0))
    sequence = tracer.affine(given)
    steps = sequence.shape[1 if layout else 0]
    rows = np.arange(sequence.size).reshape(steps, 1, -1)  # of one row, the batch axis is 1 wherever it stands
    w, r = np.asarray(weights, np.float64), np.asarray(recurrent, np.float64)
    b = np.zeros((len(w), 2 * w.shape[1])) if bias is None else np.asarray(bias, np.float64)
    direction = _text(options.get("direction", "forward"))
    all_hidden, last = [], []
    for index, backwards in enumerate([direction == "reverse", True][: len(w)]):
        half = w.shape[1]
        cell = _Cell(
            node.op_type,
            w[index].T,
            r[index].T,
            b[index, :half],
            b[index, half:],
            activations[index],
            bool(options.get("linear_before_reset", 0)),
            f"{node.name or node.output[0]}{', backwards' if backwards else ''}",
            tracer,
        )
        known = [_start(states[which], index, cell.size, tracer) for which in range(_STATES[node.op_type])]
        hidden: dict[int, Affine] = {}
        for step in reversed(range(steps)) if backwards else range(steps):
            known = cell.step(sequence.take(rows[step]), known, step)
            hidden[step] = known[0]
        all_hidden.append([hidden[step] for step in range(steps)])
        last.append(known)
    size, count = r.shape[-1], len(w)
    every = stacked([each for one in all_hidden for each in one])
    places = np.arange(every.size).reshape(count, steps, 1, size)
    found = [every.take(places.transpose((2, 1, 0, 3) if layout else (1, 0, 2, 3)))]
    for which in range(_STATES[node.op_type]):
        final = stacked([each[which] for each in last])
        found.append(final.reshaped((1, count, size) if layout else (count, 1, size)))
    return [each.as_type(sequence.dtype) for each in found]


def _activations(kind: str, options: Mapping[str, Any]) -> list[str]:
    """Of an RNN, its function in each direction; the others have none to choose.

    Raises:
        UnsupportedModelError: other functions than the usual ones.
    """
    usual = _DEFAULTS[kind]
    named = [_text(each).lower() for each in options.get("activations", [])] or list(usual) * 2
    per_direction = [tuple(named[start : start + len(usual)]) for start in range(0, len(named), len(usual))]
    able = (("tanh",), ("relu",)) if kind == "RNN" else (usual,)
    for each in per_direction:
        if each not in able:
            raise UnsupportedModelError(f"its activations are {', '.join(each)}, expected {' or '.join(able[0])}")
    return [each[0] for each in per_direction]


def _is_zero(value: Value | None) -> bool:
    return value is None or not (isinstance(value, Affine | Pending) or np.any(value))


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _start(state: Value | None, direction: int, size: int, tracer: Tracer) -> Affine:
    if state is None:
        return Affine.of_constant(np.zeros((1, size)))
    tensor = tracer.affine(state)
    return tensor.take((np.arange(tensor.size).reshape(-1, 1, size)[direction]).reshape(1, size))


def _part(tensor: Affine, start: int, size: int) -> Affine:
    return tensor.take((start + np.arange(size))[None, :])


def _plus(tensor: Affine, bias: FloatArray) -> Affine:
    return tensor.plus(Affine.of_constant(bias[None, :]))


def _negative(tensor: Affine) -> Affine:
    return tensor.scaled(np.full(tensor.shape, -1.0))
