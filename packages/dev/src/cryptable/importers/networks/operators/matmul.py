"""MatMul: with a matrix of constants on either side."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array, csr_array  # type: ignore[import-untyped]

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.graph import FloatArray
from cryptable.graphs.symbols import Affine, Value, is_encrypted
from cryptable.importers.networks.operators.arithmetic import required
from cryptable.importers.networks.operators.registry import Tracer, operator
from cryptable.importers.networks.reference import NodeRunner


@operator("MatMul", kind="linear", note="one side is constant")
def convert(runner: NodeRunner, inputs: list[Value | None], tracer: Tracer) -> list[Value]:
    """The encrypted side's elements, each multiplied by a row or column of constants."""
    left, right = required(inputs)
    if is_encrypted(left) and is_encrypted(right):
        raise UnsupportedModelError(
            "it multiplies two encrypted matrices, at two lookups a product; use weights that are constants"
        )
    if is_encrypted(left):
        return [times(tracer.affine(left), np.asarray(right, np.float64))]
    tensor, matrix = tracer.affine(right), np.asarray(left, np.float64)
    if matrix.ndim == 1:
        flipped = times(_transposed(tensor), matrix)
        return [flipped]
    if len(tensor.shape) == 1:
        return [times(tensor, np.swapaxes(matrix, -1, -2))] if matrix.ndim == 2 else [_batched(tensor, matrix)]
    return [_transposed(times(_transposed(tensor), np.swapaxes(matrix, -1, -2)))]


def _batched(vector: Affine, matrix: FloatArray) -> Affine:
    column = vector.reshaped((vector.size, 1))
    found = _transposed(times(_transposed(column), np.swapaxes(matrix, -1, -2)))
    return found.reshaped(found.shape[:-1])


def _transposed(tensor: Affine) -> Affine:
    if len(tensor.shape) < 2:
        return tensor
    return tensor.take(np.swapaxes(np.arange(tensor.size).reshape(tensor.shape), -1, -2))


def times(tensor: Affine, matrix: FloatArray) -> Affine:
    """Tensor @ matrix, as numpy.matmul has it."""
    index = np.arange(tensor.size).reshape(tensor.shape)
    vector = matrix.ndim == 1
    if vector:
        matrix = matrix[:, None]
    flat = index.ndim == 1
    if flat:
        index = index[None, :]
    if index.shape[-1] != matrix.shape[-2]:
        raise UnsupportedModelError(f"shapes {tensor.shape} and {matrix.shape} do not fit together")
    batch = np.broadcast_shapes(index.shape[:-2], matrix.shape[:-2])
    inner, columns = matrix.shape[-2:]
    sources = np.broadcast_to(index[..., :, :, None], (*batch, index.shape[-2], inner, columns))
    weights = np.broadcast_to(matrix[..., None, :, :], sources.shape)
    shape = (*batch, index.shape[-2], columns)
    targets = np.broadcast_to(np.arange(int(np.prod(shape))).reshape(shape)[..., None, :], sources.shape)
    kept = weights != 0
    product = coo_array((weights[kept], (targets[kept], sources[kept])), shape=(int(np.prod(shape)), tensor.size))
    if flat:
        shape = (*shape[:-2], columns)
    return tensor.mapped(csr_array(product), shape[:-1] if vector else shape)
