"""Blocks of a matrix are the matrix, whatever its shape and fill."""

from __future__ import annotations

import numpy as np
from cryptable_engine import Term
from cryptable_engine.schemes.bootstrapped.concrete.matrix_blocks import split
from hypothesis import given, settings
from hypothesis import strategies as st


def assembled(blocks, source_size, size):
    dense = np.zeros((source_size, size), np.int64)
    for block in blocks:
        if block.rows is None:
            dense[:, block.columns] += block.weights
            continue
        assert block.rows.shape == block.weights.shape
        for column, rows, weights in zip(block.columns, block.rows, block.weights, strict=True):
            np.add.at(dense[:, column], rows, weights)
    return dense


@settings(max_examples=200)
@given(st.integers(1, 120), st.integers(1, 60), st.sampled_from([0.0, 0.01, 0.05, 0.2, 1.0]), st.integers(0, 2**32 - 1))
def test_blocks_are_the_matrix(source_size, size, fill, seed):
    rng = np.random.default_rng(seed)
    # Fill differs by column, so that columns of many kinds meet.
    filled = rng.random((source_size, size)) < fill * rng.random(size) * 2
    dense = rng.integers(-9, 10, (source_size, size)) * filled
    blocks = split(Term.from_dense(0, dense), source_size, size)
    np.testing.assert_array_equal(assembled(blocks, source_size, size), dense)
    assert sorted(np.concatenate([block.columns for block in blocks])) == list(range(size))


def test_a_dense_matrix_is_one_block():
    (block,) = split(Term.from_dense(0, np.ones((40, 3))), 40, 3)
    assert block.rows is None
    np.testing.assert_array_equal(block.weights, np.ones((40, 3)))


def test_few_entries_are_gathered_and_a_full_column_is_not():
    dense = np.zeros((100, 4), np.int64)
    dense[7, 0], dense[[1, 2], 1], dense[:, 2] = 5, (3, 4), 1
    ones, twos, full = split(Term.from_dense(0, dense), 100, 4)
    assert ones.columns.tolist() == [3, 0]
    assert ones.rows.tolist() == [[0], [7]]
    assert ones.weights.tolist() == [[0], [5]]
    assert twos.columns.tolist() == [1]
    assert twos.rows.tolist() == [[1, 2]]
    assert full.columns.tolist() == [2]
    assert full.rows is None


def test_blocks_stay_small():
    """So that the ciphertexts that are gathered at a time do."""
    columns = np.repeat(np.arange(5000), 3)
    rows = np.argsort(np.random.default_rng(0).random((5000, 400)), axis=1)[:, :3]
    order = np.lexsort((columns, rows.ravel()))
    term = Term(0, rows.ravel()[order], columns[order], np.ones(15000, np.int64))
    blocks = split(term, 400, 5000)
    assert max(block.weights.size for block in blocks) <= 2048
    assert sum(block.weights.size for block in blocks) == 15000
