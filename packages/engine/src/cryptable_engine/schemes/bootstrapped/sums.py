"""Sums of ciphertexts with weights, in NumPy: by the columns of a sparse matrix, or by the windows of a convolution."""

from __future__ import annotations

import math

import numpy as np

from cryptable_engine.circuit.circuit import IntArray, Term
from cryptable_engine.circuit.convolution import OUTSIDE, Convolution
from cryptable_engine.schemes.bootstrapped.bootstrapping.seeded_keys import Words
from cryptable_engine.schemes.threads import on_all_threads

_WORD_BYTES = 8
_BLOCK_BYTES, _LEAST_WIDTH = 1 << 19, 64
"""Dense columns are multiplied by this much of a source at a time, which caches hold, and by as many words at least."""
_COLUMNS = 32
"""Sparse columns that a thread takes at a time."""
_DENSE = 0.4
"""From this share of non-zero weights on, multiplying by the zeros costs less than leaving them out."""


class TermProduct:
    """A term's matrix, made ready to multiply ciphertexts by: its sparse columns, and its dense ones.

    Args:
        term: of a verified circuit.
        source_size: rows of the matrix.
        size: columns of the matrix.
    """

    def __init__(self, term: Term, source_size: int, size: int) -> None:
        self.source = term.source
        self._sparse: list[tuple[int, IntArray, Words]] = []
        self._dense: list[tuple[int, Words]] = []
        order = np.argsort(term.columns, kind="stable")
        ends = np.cumsum(np.bincount(term.columns, minlength=size))
        for column, entries in enumerate(np.split(order, ends[:-1])):
            rows, weights = term.rows[entries], term.weights[entries].view(np.uint64)
            if _is_dense(rows.size, source_size):
                all_weights = np.zeros(source_size, np.uint64)
                all_weights[rows] = weights
                self._dense.append((column, all_weights))
            elif rows.size:
                self._sparse.append((column, rows, weights))

    def add_to(self, result: Words, source: Words) -> None:
        """Add the source's ciphertexts times the matrix to those of the result."""

        def add_sparse(first: int) -> None:
            for column, rows, weights in self._sparse[first : first + _COLUMNS]:
                result[column] += np.einsum("i,ij->j", weights, source[rows])

        def add_dense(first: int) -> None:
            block = np.ascontiguousarray(source[:, first : first + width])
            for column, weights in self._dense:
                result[column, first : first + width] += np.einsum("i,ij->j", weights, block)

        on_all_threads(add_sparse, range(0, len(self._sparse), _COLUMNS))
        if self._dense:
            width = max(_LEAST_WIDTH, _BLOCK_BYTES // _WORD_BYTES // source.shape[0])
            on_all_threads(add_dense, range(0, source.shape[1], width))


def dense_cells_and_gathered_entries(term: Term, source_size: int, size: int) -> tuple[int, int]:
    """What multiplying by a term's matrix costs: weights of dense columns, zeros included, and those of sparse ones."""
    counts = np.bincount(term.columns, minlength=size)
    dense = np.array([_is_dense(count, source_size) for count in counts.tolist()])
    return int(dense.sum()) * source_size, int(counts[~dense].sum())


def _is_dense(entries: int, source_size: int) -> bool:
    return entries > _DENSE * source_size


class ConvolvedWindows:
    """A Convolution made ready to multiply ciphertexts by: which ones each place reads, and the weights of all places.

    Args:
        node: of a verified circuit.
    """

    def __init__(self, node: Convolution) -> None:
        self._windows = node.windows()
        self._weights = node.weights.reshape(node.groups, -1, node.window).view(np.uint64)
        self._channels = node.weights.shape[1] * math.prod(node.shape[1:])
        self._width = max(_LEAST_WIDTH, _BLOCK_BYTES // _WORD_BYTES // node.window)

    @property
    def places(self) -> int:
        """Of the value."""
        return len(self._windows)

    def write(self, result: Words, source: Words, place: int) -> None:
        """All filters of one place, into those of the result: shape (size, words)."""
        there = np.flatnonzero(self._windows[place] != OUTSIDE)
        for group, filters in enumerate(self._weights):
            rows = self._windows[place, there] + group * self._channels
            first_filter = group * len(filters)
            for first in range(0, source.shape[1], self._width):
                block = source[rows, first : first + self._width]
                for number, weights in enumerate(filters[:, there], first_filter):
                    target = result[number * self.places + place, first : first + self._width]
                    np.einsum("i,ij->j", weights, block, out=target)
