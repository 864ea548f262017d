"""From an ONNX model as it comes to an OnnxNetwork: checked, inlined, its shapes known, its tail cut off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import onnx
from cryptable_protocol import InvalidInputError, Labels, Link
from onnx import helper, inliner, version_converter
from onnx.checker import ValidationError
from onnx.checker import check_model as check_onnx

from cryptable.errors import UnsupportedModelError
from cryptable.importers.networks.onnx_network import OnnxNetwork, check_labels
from cryptable.importers.networks.several_inputs import InputPart, RowShapes, join_parts
from cryptable.importers.networks.tails import cut_tail, without_dead_nodes

_DEQUANTIZES = 19
"""An opset."""


def read_model(
    model: onnx.ModelProto,
    *,
    name: str,
    row_shape: RowShapes = None,
    labels: Sequence[float] | Sequence[str] | None = None,
) -> OnnxNetwork:
    """Read a model.

    Args:
        model: of encrypted inputs and one output.
        name: for messages, and of the compiled model.
        row_shape: of one row of the calibration data, for axes whose size the model leaves open; of several inputs, one
            each, in their order or by name.
        labels: of the classes. Without any, a network that ends in a softmax, an argmax or one sigmoid has the labels
            0, 1, ..., and another one is a regression: of several sigmoids, of their probabilities.

    Raises:
        InvalidInputError: not a valid model, or labels that do not fit.
        UnsupportedModelError: inputs of unknown shape, or outputs that are made of different scores.
    """
    if any(not entry.domain or entry.domain == "ai.onnx" for entry in model.opset_import):
        try:
            check_onnx(model)
        except ValidationError as error:
            raise InvalidInputError(f"{name} is not a valid ONNX model: {error}") from error
    model = _with_dequantize(model)
    if model.functions:
        model = inliner.inline_local_functions(model)
    graph = model.graph
    initialized = {each.name for each in graph.initializer}
    given = [each for each in graph.input if each.name not in initialized]
    if not given:
        raise UnsupportedModelError(
            f"{name} has no input: its output is the same for every row, as it was computed outside of the graph when "
            "that was recorded (by NumPy, in a loop over values, or on .data)"
        )
    parts: tuple[InputPart, ...] = ()
    if len(given) > 1:
        model, parts = join_parts(model, given, row_shape, name)
        graph, given, row_shape = model.graph, [model.graph.input[0]], None
    elif not isinstance(row_shape, tuple):
        row_shape = _only(given[0].name, row_shape, name)
    shape = _row_shape(given[0], name, row_shape)
    tail = cut_tail(graph)
    nodes = without_dead_nodes(graph, tail.scores)
    kind = given[0].type.tensor_type.elem_type
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    batched = helper.make_tensor_value_info(given[0].name, kind, ["rows", *shape])
    if given[0].type.tensor_type.shape.dim[0].dim_value == 1:
        batched = helper.make_tensor_value_info(given[0].name, kind, [1, *shape])
    output = helper.make_tensor_value_info(tail.scores, kind, None)
    cut = helper.make_model(
        helper.make_graph(
            nodes, "scores", [batched], [output], graph.initializer, sparse_initializer=graph.sparse_initializer
        ),
        opset_imports=model.opset_import,
        ir_version=model.ir_version,
    )
    link, named = _meaning(tail.link, tail.labels if labels is None else labels)
    network = OnnxNetwork(cut, given[0].name, shape, np.dtype(dtype), tail.scores, link, named, name, parts)
    outputs = network.outputs
    if link is Link.SIGMOID and named is None and outputs > 1 and not tail.chooses:
        link = Link.LOGISTIC  # several probabilities of their own, none of which is chosen
        network = replace(network, link=link)
    elif named == () or (named is None and link is not Link.IDENTITY):
        named = tuple(range(max(2, outputs)))
        network = replace(network, labels=named)
    check_labels(named, outputs)
    return network


def _only(given: str, shapes: RowShapes, name: str) -> tuple[int, ...] | None:
    """The shape of a row of the only input.

    Raises:
        InvalidInputError: calibration data for several, or for another one.
    """
    if shapes is None:
        return None
    if len(shapes) != 1 or (isinstance(shapes, Mapping) and given not in shapes):
        raise InvalidInputError(f"{name} has one input, {given!r}, X_train has {len(shapes)}; give it one array")
    (shape,) = shapes.values() if isinstance(shapes, Mapping) else shapes
    return tuple(shape)  # type: ignore[arg-type]


def _with_dequantize(model: onnx.ModelProto) -> onnx.ModelProto:
    """`onnx.reference` knows DequantizeLinear from opset 19 on only, and Brevitas writes older ones."""
    version = next((each.version for each in model.opset_import if each.domain in ("", "ai.onnx")), _DEQUANTIZES)
    if version >= _DEQUANTIZES or not any(node.op_type == "DequantizeLinear" for node in model.graph.node):
        return model
    return version_converter.convert_version(model, _DEQUANTIZES)


def _meaning(link: Link | None, labels: Sequence[float] | Sequence[str] | None) -> tuple[Link, Labels | None]:
    named: Labels | None = None
    if labels is not None:
        plain = np.asarray(labels).tolist()
        named = tuple(str(each) for each in plain) if any(isinstance(each, str) for each in plain) else tuple(plain)
        if not named:
            raise InvalidInputError("labels= is empty; leave it out for a regression")
    if link is None:
        if named is None:
            return Link.IDENTITY, None
        return (Link.SIGMOID if len(named) == 2 else Link.SOFTMAX), named
    return link, named


def _row_shape(given: onnx.ValueInfoProto, name: str, row_shape: tuple[int, ...] | None) -> tuple[int, ...]:
    declared = given.type.tensor_type.shape.dim
    sizes = [axis.dim_value or None for axis in declared]
    if not sizes:
        if row_shape is None:
            raise UnsupportedModelError(f"{name}: its input {given.name!r} has no shape; export it with one")
        return row_shape
    if sizes[0] not in (None, 1):
        raise UnsupportedModelError(
            f"{name}: its input {given.name!r} takes {sizes[0]} rows at a time; export it with a dynamic or single row "
            "(torch.onnx.export(dynamic_axes={'x': {0: 'rows'}}))"
        )
    if row_shape is not None and len(row_shape) == len(sizes) - 1:
        sizes[1:] = [size or given_size for size, given_size in zip(sizes[1:], row_shape, strict=True)]
    if None in sizes[1:]:
        raise UnsupportedModelError(
            f"{name}: its input {given.name!r} has axes of unknown size; export it with fixed ones but for the rows"
        )
    return tuple(int(size) for size in sizes[1:] if size is not None)
