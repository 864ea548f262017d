"""Splits a sparse matrix into blocks that are cheap to multiply an encrypted vector by.

Concrete multiplies by a dense matrix at about 1 ns for each cell and word of a ciphertext, zeros included. A column
with few entries is cheaper gathered: the source's elements that it needs are copied together, at about 10 ns for each
and word. Columns with similar numbers of entries share a block, padded with weights of zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cryptable_engine.circuit.circuit import IntArray, Term
from cryptable_engine.circuit.rules.matrix_cost import GATHERED_ENTRY_CELLS

_CHUNK_ENTRIES = 2048
"""Entries gathered at a time: 32 MB of ciphertexts of 2048 words."""
_PADDING = 1.5


@dataclass(frozen=True, eq=False)
class Block:
    """Some columns of a matrix.

    `rows` and `weights` have shape (columns, entries a column): value[columns[j]] is the sum of
    weights[j] * source[rows[j]]. Without `rows`, `weights` has all rows of the source, shape (source size, columns).
    """

    columns: IntArray
    rows: IntArray | None
    weights: IntArray


def split(term: Term, source_size: int, size: int) -> tuple[Block, ...]:
    """Blocks that have each column of the matrix once; a single dense one where nothing else pays.

    Args:
        term: of a verified circuit.
        source_size: rows of the matrix.
        size: columns of the matrix.
    """
    counts = np.bincount(term.columns, minlength=size)
    gathered = GATHERED_ENTRY_CELLS * np.maximum(counts, 1) < source_size
    if not gathered.any():
        return (Block(np.arange(size), None, term.to_dense(source_size, size)),)
    by_column = np.argsort(term.columns, kind="stable")
    rows, weights = term.rows[by_column], term.weights[by_column]
    starts = np.cumsum(counts) - counts
    blocks = [_gathered(part, rows, weights, starts, counts) for part in _runs(np.flatnonzero(gathered), counts)]
    dense = np.flatnonzero(~gathered)
    if dense.size:
        kept = np.isin(term.columns, dense)
        part = Term(term.source, term.rows[kept], np.searchsorted(dense, term.columns[kept]), term.weights[kept])
        blocks.append(Block(dense, None, part.to_dense(source_size, dense.size)))
    return tuple(blocks)


def _runs(columns: IntArray, counts: IntArray) -> list[IntArray]:
    """Columns sorted by their number of entries, cut where padding or size would grow too much."""
    ordered = columns[np.argsort(counts[columns], kind="stable")]
    runs: list[IntArray] = []
    start = 0
    while start < ordered.size:
        widest = max(1, int(_PADDING * max(1, counts[ordered[start]])))
        stop = int(np.searchsorted(counts[ordered], widest, "right"))
        stop = min(stop, start + max(1, _CHUNK_ENTRIES // widest))
        runs.append(ordered[start:stop])
        start = stop
    return runs


def _gathered(columns: IntArray, rows: IntArray, weights: IntArray, starts: IntArray, counts: IntArray) -> Block:
    entries = max(1, int(counts[columns].max()))
    position = np.arange(entries)
    there = position < counts[columns, None]
    index = np.where(there, starts[columns, None] + position, 0)
    if not rows.size:
        return Block(columns, np.zeros(index.shape, np.int64), np.zeros(index.shape, np.int64))
    return Block(columns, np.where(there, rows[index], 0), np.where(there, weights[index], 0))
