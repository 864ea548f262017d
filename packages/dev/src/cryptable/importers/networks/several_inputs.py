"""Networks of several inputs as networks of one: that has the numbers of all, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import onnx
from cryptable_protocol import InvalidInputError
from onnx import helper, numpy_helper

from cryptable.errors import UnsupportedModelError

RowShape: TypeAlias = tuple[int, ...]
RowShapes: TypeAlias = RowShape | Sequence[RowShape] | Mapping[str, RowShape] | None
"""Of a row of calibration data: of one input, of several in their order, or of several by name."""

WHOLE_INPUT = "cryptable.whole_input."
"""Names of nodes that cast a feature to an integer, which it is as it is given, begin so."""
_JOINED = "cryptable.inputs"


@dataclass(frozen=True)
class InputPart:
    """One of several inputs: its name, and the shape of a row."""

    name: str
    shape: RowShape

    @property
    def size(self) -> int:
        """Numbers of a row."""
        return int(np.prod(self.shape))


def is_several(X: Any) -> bool:  # noqa: ANN401
    """Whether calibration data are a tuple or a dictionary of arrays, one an input."""
    parts = tuple(X.values()) if isinstance(X, Mapping) else X
    return isinstance(parts, tuple) and bool(parts) and all(len(getattr(each, "shape", ())) > 0 for each in parts)


def first_rows(X: Any, count: int) -> dict[str, Any] | tuple[Any, ...]:  # noqa: ANN401
    """Of each of several inputs, as arrays."""
    if isinstance(X, Mapping):
        return {str(name): np.asarray(each)[:count] for name, each in X.items()}
    return tuple(np.asarray(each)[:count] for each in X)


def row_shapes(X: Any) -> RowShapes:  # noqa: ANN401
    """Of a row of the calibration data."""
    if isinstance(X, Mapping):
        return {str(name): tuple(np.shape(each)[1:]) for name, each in X.items()}
    if isinstance(X, tuple):
        return [tuple(np.shape(each)[1:]) for each in X]
    shape = getattr(X, "shape", None)
    return tuple(shape[1:]) if shape is not None and len(shape) > 1 else None


def join_parts(
    model: onnx.ModelProto, given: Sequence[onnx.ValueInfoProto], shapes: RowShapes, name: str
) -> tuple[onnx.ModelProto, tuple[InputPart, ...]]:
    """The model with one input, which its several ones are slices of.

    Args:
        model: with several inputs.
        given: those, without what has an initializer.
        shapes: of a row of calibration data, for axes whose size the model leaves open.
        name: of the network, for messages.

    Raises:
        UnsupportedModelError: an input of unknown shape, or one that is no number.
        InvalidInputError: calibration data for other inputs.
    """
    parts = [InputPart(each.name, _shape_of(each, index, given, shapes, name)) for index, each in enumerate(given)]
    kinds = [each.type.tensor_type.elem_type for each in given]
    dtypes = [helper.tensor_dtype_to_np_dtype(kind) for kind in kinds]
    for part, dtype in zip(parts, dtypes, strict=True):
        if np.dtype(dtype).kind not in "fiub":
            raise UnsupportedModelError(f"{name}: its input {part.name!r} is of {dtype}, expected numbers")
    joined = onnx.TensorProto.DOUBLE if np.dtype(np.float64) in dtypes else onnx.TensorProto.FLOAT
    nodes, constants, start = [], [], 0
    for part, kind in zip(parts, kinds, strict=True):
        prefix = f"{_JOINED}/{part.name}"
        numbers = {"starts": [start], "ends": [start + part.size], "axes": [1], "shape": [-1, *part.shape]}
        start += part.size
        for what, values in numbers.items():
            constants.append(numpy_helper.from_array(np.array(values, np.int64), f"{prefix}/{what}"))
        ends = [_JOINED, *(f"{prefix}/{what}" for what in ("starts", "ends", "axes"))]
        nodes.append(helper.make_node("Slice", ends, [f"{prefix}/numbers"], name=f"{prefix}/slice"))
        shaped = part.name if kind == joined else f"{prefix}/shaped"
        inputs = [f"{prefix}/numbers", f"{prefix}/shape"]
        nodes.append(helper.make_node("Reshape", inputs, [shaped], name=f"{prefix}/reshape"))
        if kind != joined:
            casting = f"{WHOLE_INPUT}{part.name}"
            nodes.append(helper.make_node("Cast", [shaped], [part.name], name=casting, to=kind))
    rows = given[0].type.tensor_type.shape.dim[0].dim_value
    whole = helper.make_tensor_value_info(_JOINED, joined, [1 if rows == 1 else "rows", start])
    found = onnx.ModelProto()
    found.CopyFrom(model)
    graph = found.graph
    kept = [each for each in graph.input if each.name not in {part.name for part in parts}]
    own = list(graph.node)
    del graph.input[:], graph.node[:]
    graph.input.extend([whole, *kept])
    graph.node.extend([*nodes, *own])
    graph.initializer.extend(constants)
    return found, tuple(parts)


def _shape_of(
    given: onnx.ValueInfoProto, index: int, everything: Sequence[onnx.ValueInfoProto], shapes: RowShapes, name: str
) -> RowShape:
    names = [each.name for each in everything]
    seen: RowShape | None = None
    if isinstance(shapes, Mapping):
        if sorted(shapes) != sorted(names):
            raise InvalidInputError(f"{name} has the inputs {names}, X_train has {sorted(shapes)}")
        seen = shapes[given.name]
    elif isinstance(shapes, list):
        if len(shapes) != len(names):
            raise InvalidInputError(f"{name} has {len(names)} inputs ({', '.join(names)}), X_train has {len(shapes)}")
        seen = shapes[index]
    sizes = [axis.dim_value or None for axis in given.type.tensor_type.shape.dim][1:]
    if seen is not None and len(seen) == len(sizes):
        sizes = [size or other for size, other in zip(sizes, seen, strict=True)]
    if None in sizes:
        raise UnsupportedModelError(
            f"{name} has {len(names)} inputs ({', '.join(names)}), and {given.name!r} has axes of unknown size: give "
            "X_train as a tuple of arrays, one an input, or as a dictionary of them"
        )
    if seen is not None and int(np.prod(seen)) != int(np.prod(sizes)):  # type: ignore[arg-type]
        raise InvalidInputError(f"{name}: input {given.name!r} takes rows of shape {tuple(sizes)}, X_train has {seen}")
    return tuple(int(size) for size in sizes if size is not None)
