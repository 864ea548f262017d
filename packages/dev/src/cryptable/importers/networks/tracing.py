"""Traces a network on symbolic tensors of one row: affine maps stay affine, chains of functions become layers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from cryptable.errors import ConstantModelError, UnsupportedModelError
from cryptable.graphs.graph import FloatArray, IntArray
from cryptable.graphs.network import FeatureBits, Layer, QuantizedNetwork, SegmentedNetwork
from cryptable.graphs.symbols import (
    NOT_THERE,
    Affine,
    Constant,
    Pending,
    Shape,
    Value,
    as_pending,
    is_encrypted,
    live_channels,
    same_line,
    stacked,
    widened,
)
from cryptable.importers.networks.onnx_network import OnnxNetwork
from cryptable.importers.networks.operators.registry import find_operator
from cryptable.importers.networks.qonnx import has_quantizers
from cryptable.importers.networks.reference import NodeRunner
from cryptable.importers.networks.ties import Ties, tidied

BoolArray: TypeAlias = npt.NDArray[np.bool_]
_PROBES = 33
"""Points at which two functions of one number must agree to be looked up once; of features, on calibration data too."""
_PROBING_ROWS = 512


class Trace:
    """The layers found so far, and the ways in which operators add to them."""

    def __init__(self, inputs: int, rows: FloatArray, ties: Ties) -> None:
        self.layers: list[Layer] = []
        self._ties = ties
        self._rows = rows[:_PROBING_ROWS]
        self.inputs = self.variables = inputs
        self._known: dict[int, tuple[Pending, Affine]] = {}
        """What has been looked up already, by identity; the key's object is kept alive."""
        self._bits: dict[tuple[int, int], int] = {}
        """The first variable of the bits of a feature and its number of categories."""

    def affine(self, value: Value) -> Affine:
        """Whatever it is as an affine tensor: a pending function is looked up."""
        if isinstance(value, Affine):
            return value
        if isinstance(value, Pending):
            if id(value) not in self._known:
                self._known[id(value)] = (value, self._looked_up(value))
            return self._known[id(value)][1]
        return Affine.of_constant(np.asarray(value))

    def _looked_up(self, value: Pending) -> Affine:
        source = value.source.ravel()
        if not source.size:
            return Affine.of_constant(np.zeros(value.shape))
        kept, place = self._distinct(value, source)
        numbers, taken = value.base.offset.copy(), source[kept]

        def function(sums: FloatArray) -> FloatArray:
            given = numbers.copy()
            given[taken] = sums
            return np.asarray(value.function(given), np.float64).ravel()[kept]

        whole = value.shape if np.array_equal(kept, np.arange(source.size)) else ()
        whole = value.whole if np.array_equal(taken, np.arange(value.base.size)) else whole
        base = value.base.take(taken)
        varies = np.diff(base.matrix.indptr) > 0
        if varies.all():
            found = self._add_layer(base, function, value.chain, whole[1:] or None)
        else:
            found = self._partly_constant(base, varies, function, value.chain, whole[1:] or None)
        dtype = np.asarray(value.function(numbers)).dtype
        return found.take(place.reshape(value.shape)).as_type(dtype if dtype.kind == "f" else np.dtype(np.float32))

    def _partly_constant(
        self,
        base: Affine,
        varies: BoolArray,
        function: Callable[[FloatArray], FloatArray],
        chain: tuple[str, ...],
        whole: Shape | None,
    ) -> Affine:
        constant = Affine.of_constant(function(base.offset))
        chosen = np.flatnonzero(varies)
        if not chosen.size:
            return constant

        def of_chosen(sums: FloatArray) -> FloatArray:
            given = base.offset.copy()
            given[chosen] = sums
            return function(given)[chosen]

        layer = self._add_layer(base.take(chosen), of_chosen, chain, live_channels(whole, chosen))
        index = np.arange(base.size)
        index[chosen] = base.size + np.arange(chosen.size)
        return stacked([constant, layer]).take(index)

    def _distinct(self, value: Pending, source: IntArray) -> tuple[IntArray, IntArray]:
        """Elements that need a lookup of their own, and for every element the number of its lookup."""
        if np.unique(source).size == source.size:
            return np.arange(source.size), np.arange(source.size)
        points = np.linspace(-8.0, 8.0, _PROBES)
        given = [np.full(value.base.size, point) for point in points]
        if (value.base.matrix.indices < self.inputs).all():  # thresholds may lie anywhere among a feature's numbers
            numbers = (widened(value.base.matrix, self.inputs) @ self._rows.T).T + value.base.offset
            given.extend(np.unique(numbers, axis=0))
        probes = [np.asarray(value.function(each), np.float64).ravel() for each in given]
        keys = np.column_stack([source, *probes])
        _, kept, place = np.unique(keys, axis=0, return_index=True, return_inverse=True)
        return kept, place.reshape(-1)

    def _add_layer(
        self,
        base: Affine,
        function: Callable[[FloatArray], FloatArray],
        chain: tuple[str, ...],
        whole: Shape | None,
    ) -> Affine:
        """`whole` is the shape of a row's tensor, where the elements are all of one."""
        names = {layer.name for layer in self.layers}
        name = wanted = chain[-1] if chain else "identity"
        count = 1
        while name in names:
            count += 1
            name = f"{wanted} ({count})"
        if (base.matrix.indices >= self.inputs).any():  # of sums of integers, if anything was quantized before
            function = _tidy(function, self._ties)
        shape = whole if whole and len(whole) > 1 and math.prod(whole) == base.size else None
        self.layers.append(Layer(name, base.matrix, base.offset, function, shape))
        first, self.variables = self.variables, self.variables + base.size
        return Affine.of_variables((base.size,), first, base.dtype)

    def one_hot(self, index: Value, categories: int) -> Affine | None:
        """For each element of an index, whether it is category 0, 1, ...: one more axis, the last.

        None where the index is no feature as it was given.

        Raises:
            UnsupportedModelError: an index that is a constant.
        """
        pending = as_pending(index) if isinstance(index, Affine | Pending) else None
        if pending is None:
            raise UnsupportedModelError("its index is a constant")
        whole = np.arange(categories, dtype=np.float64)
        places = pending.base.take(pending.source.ravel())
        features = []
        for element in range(places.size):
            part = slice(places.matrix.indptr[element], places.matrix.indptr[element + 1])
            columns, factors = places.matrix.indices[part], places.matrix.data[part]
            if columns.size != 1 or columns[0] >= self.inputs or factors[0] != 1 or places.offset[element]:
                return None
            features.append(int(columns[0]))
        for category in whole:
            if (np.asarray(pending.function(np.full(pending.base.size, category))) != category).any():
                return None
        first = [self._first_bit(feature, categories) for feature in features]
        # Category k is there where bit k - 1 is 1 and bit k is not; bit -1 would always be 1.
        bits = stacked([Affine.of_variables((categories - 1,), each, np.dtype(np.float64)) for each in first])
        numbers = np.arange(bits.size).reshape(places.size, categories - 1)
        last = np.full((places.size, 1), NOT_THERE)
        reached = bits.take(np.concatenate([last, numbers], axis=1), fill=1.0)
        beyond = bits.take(np.concatenate([numbers, last], axis=1), fill=0.0)
        found = reached.plus(beyond.scaled(np.full(beyond.shape, -1.0)))
        return found.reshaped((*pending.shape, categories))

    def _first_bit(self, feature: int, categories: int) -> int:
        if (feature, categories) not in self._bits:
            self.layers.append(FeatureBits.of(feature, categories))
            self._bits[feature, categories] = self.variables
            self.variables += categories - 1
        return self._bits[feature, categories]

    def apply(self, base: Affine, function: Callable[[Constant], Constant], name: str) -> Pending:
        """A function of each element of an affine tensor."""
        shape, dtype = base.shape, base.dtype
        return Pending(
            base.reshaped((base.size,)),
            np.arange(base.size).reshape(shape),
            lambda numbers: np.asarray(function(numbers.reshape(shape).astype(dtype))),
            (name,),
            shape,
        )

    def fused(self, values: Sequence[Value | None], runner: NodeRunner) -> Pending | None:
        """An elementwise operator on tensors that are all functions of the same sums; None where they are not."""
        pending = [as_pending(value) if isinstance(value, Affine | Pending) else None for value in values]
        there = [each for each in pending if each is not None]
        given = [
            value if each is None else each.function(each.base.offset)
            for each, value in zip(pending, values, strict=True)
        ]
        try:
            shape = runner.run(given)[0].shape  # type: ignore[arg-type]
        except UnsupportedModelError as error:
            raise UnsupportedModelError(f"onnx.reference cannot run it: {error.__cause__}") from error
        name = runner.node.name or runner.node.output[0]
        first = there[0]
        chain = (*(part for each in there for part in each.chain), name)
        sources = [np.broadcast_to(each.source, shape) for each in there]
        if all(each.base is first.base and (s == sources[0]).all() for each, s in zip(there, sources, strict=True)):

            def of_base(numbers: Constant) -> Constant:
                given = [value if p is None else p.function(numbers) for p, value in zip(pending, values, strict=True)]
                return runner.run(given)[0]  # type: ignore[arg-type]

            return Pending(first.base, sources[0], of_base, chain, first.whole)
        line = first.base.take(sources[0].ravel())
        maps = []
        for each, source in zip(there, sources, strict=True):
            found = same_line(line, each.base.take(source.ravel()))
            if found is None:
                return None
            maps.append((each, source.ravel(), *found))

        def of_line(numbers: Constant) -> Constant:
            moved = iter(maps)
            given: list[Any] = []
            for p, value in zip(pending, values, strict=True):
                if p is None:
                    given.append(value)
                    continue
                each, source, factors, offsets = next(moved)
                base = each.base.offset.copy()
                base[source] = numbers * factors + offsets
                given.append(np.broadcast_to(each.function(base), shape))
            return runner.run(given)[0]

        return Pending(line, np.arange(line.size).reshape(shape), of_line, chain, shape)


def _tidy(function: Callable[[FloatArray], FloatArray], ties: Ties) -> Callable[[FloatArray], FloatArray]:
    def of_sums(sums: FloatArray) -> FloatArray:
        with tidied(ties):
            return function(sums)

    return of_sums


def trace(network: OnnxNetwork, feature_names: tuple[str, ...], rows: FloatArray) -> SegmentedNetwork:
    """A network, layer by layer.

    Args:
        network: read.
        feature_names: of its inputs.
        rows: calibration data, shape (rows, features), on which functions are told apart.

    Raises:
        UnsupportedModelError: an operator, or a use of one, that cannot be compiled; names the node, with advice.
        ConstantModelError: its scores are the same for every input.
    """
    graph = network.model.graph
    state = Trace(network.features, rows, network.ties)
    values: dict[str, Value] = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    values[network.input_name] = Affine.of_variables((1, *network.input_shape), 0, network.input_dtype)
    for node in graph.node:
        inputs = [values[name] if name else None for name in node.input]
        outputs = _convert(node, inputs, state, network.opsets)
        values.update((name, value) for name, value in zip(node.output, outputs, strict=False) if name)
    output = values[network.output_name]
    if not is_encrypted(output):
        raise ConstantModelError("the network gives the same scores for every input: there is nothing to compute")
    scores = state.affine(output)
    if not scores.matrix.nnz:
        raise ConstantModelError("the network gives the same scores for every input: there is nothing to compute")
    kind = QuantizedNetwork if has_quantizers(network.model) else SegmentedNetwork
    shape = network.input_shape if len(network.input_shape) > 1 else None
    return kind(
        feature_names,
        tuple(state.layers),
        scores.matrix,
        scores.offset,
        network.link,
        network.labels,
        shape=shape,
    )


def _convert(node: onnx.NodeProto, inputs: list[Value | None], state: Trace, opsets: dict[str, int]) -> list[Value]:
    runner = NodeRunner(node, opsets)
    if not any(is_encrypted(value) for value in inputs):
        return list(runner.run(inputs))  # type: ignore[arg-type]
    operator = find_operator(node)
    try:
        return operator.convert(runner, inputs, state)
    except UnsupportedModelError as error:
        raise UnsupportedModelError(f"{runner.label}: {error}") from error
