"""Gather: slices by constant indices; and rows of constants by an index that is encrypted, as of an embedding."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.symbols import Affine, Constant, Encrypted, Pending, Value, as_pending, is_encrypted
from cryptable.importers.networks.operators.matmul import times
from cryptable.importers.networks.operators.registry import Tracer, moving, operator
from cryptable.importers.networks.reference import NodeRunner

MOST_CATEGORIES = 4096
"""Clients send a bit for each but one."""
_moved = moving(1)


@operator("Gather", kind="structural", note="or an embedding: rows of constants by a feature, or by a function of one")
def convert(runner: NodeRunner, inputs: list[Value | None], tracer: Tracer) -> list[Value]:
    """Elements by constant indices are moved; constants by a feature are a product with its one-hot bits.

    By an index that is computed, they are functions of it: of a feature's, such as whether it is above a threshold,
    clients evaluate them.
    """
    data, index = inputs
    if data is None or index is None or is_encrypted(data) or not is_encrypted(index):
        return _moved(runner, inputs, tracer)
    table = np.asarray(data)
    axis = _axis(runner.node)
    if axis not in (0, -table.ndim):
        raise UnsupportedModelError(f"it takes constants by an encrypted index along axis {axis}; only 0 is supported")
    found = rows_of_feature(table, index, tracer)
    return [_looked_up(table, index, runner, tracer) if found is None else found]  # type: ignore[arg-type]


def rows_of_feature(table: Constant, index: Value, tracer: Tracer) -> Affine | None:
    """Rows of constants by an index that is a feature; None where it is computed.

    Raises:
        UnsupportedModelError: there are too many of them, or too few.
    """
    if not 2 <= len(table) <= MOST_CATEGORIES:
        raise UnsupportedModelError(
            f"it has {len(table)} categories, for which clients would send a bit each; expected 2 to "
            f"{MOST_CATEGORIES}: join rare ones"
        )
    categories = tracer.one_hot(index, len(table))
    if categories is None:
        return None
    found = times(categories, table.astype(np.float64).reshape(len(table), -1))
    return found.reshaped((*index.shape, *table.shape[1:])).as_type(table.dtype)


def _looked_up(table: Constant, index: Encrypted, runner: NodeRunner, tracer: Tracer) -> Pending:
    """Each number of a row as a function of its own copy of the index; beyond the table, the nearest row's."""
    pending = as_pending(index)
    if np.unique(pending.source).size != pending.source.size:
        pending = as_pending(tracer.affine(pending))
    own, shape = pending.source.ravel(), (*pending.shape, *table.shape[1:])
    numbers_of_row = table.reshape(len(table), -1)
    width = numbers_of_row.shape[1]
    base = pending.base.take(np.repeat(own, width))

    def function(numbers: Constant) -> Constant:
        copies = numbers.reshape(own.size, width)
        found = np.empty(copies.shape, table.dtype)
        for column in range(width):
            given = pending.base.offset.copy()
            given[own] = copies[:, column]
            computed = np.nan_to_num(np.asarray(pending.function(given), np.float64)).ravel()
            row = np.clip(np.where(computed < 0, computed + len(table), computed), 0, len(table) - 1)
            found[:, column] = numbers_of_row[row.astype(np.int64), column]
        return found.reshape(shape)

    name = runner.node.name or runner.node.output[0]
    return Pending(base, np.arange(base.size).reshape(shape), function, (*pending.chain, name), shape)


def _axis(node: onnx.NodeProto) -> int:
    return next((int(helper.get_attribute_value(each)) for each in node.attribute if each.name == "axis"), 0)
