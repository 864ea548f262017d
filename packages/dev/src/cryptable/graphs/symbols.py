"""What flows along the edges of a network while it is traced: constants, affine tensors, and functions still pending.

All encrypted numbers of a network are *variables*, numbered through: first the inputs, then the values of each layer of
lookups. A tensor is affine where each element is a weighted sum of variables plus a constant. An elementwise operator
makes it pending: a function of one affine number an element, which is to be looked up once its chain ends.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from cryptable_protocol import InternalError
from scipy.sparse import csr_array, diags_array, vstack  # type: ignore[import-untyped]

from cryptable.graphs.graph import FloatArray, IntArray

Constant = npt.NDArray[Any]
Shape = tuple[int, ...]
NOT_THERE = -1
"""Where an element is taken from no source."""


@dataclass(frozen=True, eq=False)
class Affine:
    """A tensor of `shape`, flattened: `matrix` of shape (elements, variables) @ variables + `offset`."""

    shape: Shape
    matrix: csr_array
    offset: FloatArray
    dtype: np.dtype[Any]

    @classmethod
    def of_variables(cls, shape: Shape, first: int, dtype: np.dtype[Any]) -> Affine:
        """Variables from `first` on, one an element."""
        size = int(np.prod(shape))
        columns = first + np.arange(size)
        matrix = csr_array((np.ones(size), (np.arange(size), columns)), shape=(size, first + size))
        return cls(shape, matrix, np.zeros(size), dtype)

    @classmethod
    def of_constant(cls, value: Constant) -> Affine:
        """No variable."""
        return cls(value.shape, csr_array((value.size, 0)), value.astype(np.float64).ravel(), value.dtype)

    @property
    def size(self) -> int:
        """Elements."""
        return int(self.offset.shape[0])

    def take(self, index: IntArray, fill: float = 0.0) -> Affine:
        """The elements of these numbers in a tensor of the index' shape; `fill` where it is NOT_THERE."""
        flat = index.ravel()
        there = flat != NOT_THERE
        matrix = self.matrix[np.where(there, flat, 0)] if self.size else self.matrix
        if not there.all():
            matrix = diags_array(there.astype(np.float64)) @ matrix
            matrix.eliminate_zeros()
        return Affine(index.shape, csr_array(matrix), np.where(there, self.offset[flat], fill), self.dtype)

    def mapped(self, matrix: csr_array, shape: Shape) -> Affine:
        """Multiplied by a matrix of shape (new elements, elements)."""
        return Affine(shape, csr_array(matrix @ self.matrix), matrix @ self.offset, self.dtype)

    def scaled(self, factors: FloatArray) -> Affine:
        """Each element times its factor; `factors` has the tensor's shape."""
        flat = factors.ravel().astype(np.float64)
        matrix = csr_array(diags_array(flat) @ self.matrix)
        matrix.eliminate_zeros()
        return Affine(self.shape, matrix, self.offset * flat, self.dtype)

    def plus(self, other: Affine) -> Affine:
        """The sum of two tensors of one shape."""
        variables = max(self.matrix.shape[1], other.matrix.shape[1])
        matrix = csr_array(widened(self.matrix, variables) + widened(other.matrix, variables))
        matrix.eliminate_zeros()
        return Affine(self.shape, matrix, self.offset + other.offset, self.dtype)

    def reshaped(self, shape: Shape) -> Affine:
        """The same elements in another shape."""
        return Affine(shape, self.matrix, self.offset, self.dtype)

    def as_type(self, dtype: np.dtype[Any]) -> Affine:
        """The same numbers, held as another type of float."""
        return Affine(self.shape, self.matrix, self.offset, dtype)


@dataclass(frozen=True, eq=False)
class Pending:
    """A tensor whose element i is a function of element source[i] of `base` alone.

    `function` takes all of base's numbers, shape (base elements,), and gives the tensor. `chain` has the operators that
    it is made of, as messages and layers are named. `whole` is the shape that base's elements had as a tensor.
    """

    base: Affine
    source: IntArray
    function: Callable[[Constant], Constant]
    chain: tuple[str, ...] = ()
    whole: Shape = ()

    @property
    def shape(self) -> Shape:
        """Of the tensor."""
        return self.source.shape


Encrypted = Affine | Pending
Value = Constant | Affine | Pending


def is_encrypted(value: Value | None) -> bool:
    """Whether it depends on variables."""
    return isinstance(value, Affine | Pending)


def as_pending(value: Encrypted) -> Pending:
    """An affine tensor as the identity of itself."""
    if isinstance(value, Pending):
        return value
    shape, dtype = value.shape, value.dtype
    return Pending(
        value.reshaped((value.size,)),
        np.arange(value.size).reshape(shape),
        lambda numbers: numbers.reshape(shape).astype(dtype),
        whole=shape,
    )


def widened(matrix: csr_array, variables: int) -> csr_array:
    """The same matrix with more columns, all empty; or with fewer, where those left out are.

    Raises:
        InternalError: they are not: SciPy would read other memory in their place, and say nothing.
    """
    if matrix.shape[1] == variables:
        return matrix
    if matrix.shape[1] > variables and matrix.indices.max(initial=-1) >= variables:
        raise InternalError(f"a matrix reads variable {matrix.indices.max()} of {variables}")
    return csr_array((matrix.data, matrix.indices, matrix.indptr), shape=(matrix.shape[0], variables))


def stacked(tensors: list[Affine]) -> Affine:
    """The elements of all, one after the other."""
    variables = max(tensor.matrix.shape[1] for tensor in tensors)
    matrix = vstack([widened(tensor.matrix, variables) for tensor in tensors], format="csr")
    offset = np.concatenate([tensor.offset for tensor in tensors])
    return Affine((offset.size,), csr_array(matrix), offset, tensors[0].dtype)


def same_line(one: Affine, other: Affine) -> tuple[FloatArray, FloatArray] | None:
    """Factors and offsets that make `other` of `one` element by element, or None where it depends on other sums."""
    variables = max(one.matrix.shape[1], other.matrix.shape[1])
    a, b = widened(one.matrix, variables), widened(other.matrix, variables)
    product = np.asarray(a.multiply(b).sum(axis=1)).ravel()
    squares = np.asarray(a.multiply(a).sum(axis=1)).ravel(), np.asarray(b.multiply(b).sum(axis=1)).ravel()
    if not (product**2 >= squares[0] * squares[1] * (1 - 1e-9)).all():
        return None
    factors = np.divide(product, squares[0], out=np.zeros_like(product), where=squares[0] > 0)
    if ((squares[0] == 0) & (squares[1] > 0)).any():
        return None
    return factors, other.offset - factors * one.offset


def live_channels(shape: Shape | None, elements: IntArray) -> Shape | None:
    """The shape of those elements of a tensor that are there, where they are all of some of its channels."""
    if shape is None:
        return None
    places = int(np.prod(shape[1:]))
    channels = elements // places
    live = np.unique(channels)
    return (live.size, *shape[1:]) if live.size * places == elements.size else None
