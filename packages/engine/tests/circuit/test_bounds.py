"""Bounds: exact over the input, sound through lookups, and safe from overflow."""

from __future__ import annotations

import time

import numpy as np
import pytest
from cryptable_engine import (
    Circuit,
    CircuitError,
    GroupKind,
    Input,
    InputGroup,
    Linear,
    Lookup,
    Term,
    interpret,
    verify,
)
from cryptable_engine.circuit.bounds import bounds
from hypothesis import given, settings
from hypothesis import strategies as st

groups = st.one_of(
    st.builds(InputGroup, st.just(GroupKind.THERMOMETER), st.integers(1, 6)),
    st.builds(InputGroup, st.just(GroupKind.RANGE), st.integers(1, 2), st.integers(1, 4)),
)


@given(st.lists(groups, min_size=1, max_size=3), st.integers(0, 2**32 - 1))
@settings(max_examples=100, deadline=None)
def test_affine_functions_of_the_input_have_exact_bounds(every_row, groups, seed):
    rng = np.random.default_rng(seed)
    given_ = Input(tuple(groups))
    first = Linear((Term.from_dense(0, rng.integers(-9, 10, (given_.size, 3))),), rng.integers(-9, 10, 3))
    second = Linear(
        (Term.from_dense(0, rng.integers(-9, 10, (given_.size, 2))), Term.from_dense(1, rng.integers(-4, 5, (3, 2)))),
        rng.integers(-9, 10, 2),
    )
    rows = every_row(given_)
    one = rows @ first.terms[0].to_dense(given_.size, 3) + first.offset
    two = rows @ second.terms[0].to_dense(given_.size, 2) + one @ second.terms[1].to_dense(3, 2) + second.offset
    found = bounds(Circuit((given_, first, second), 2))
    for values, (low, high) in zip((rows, one, two), found, strict=True):
        np.testing.assert_array_equal(low, values.min(axis=0))
        np.testing.assert_array_equal(high, values.max(axis=0))


def test_a_thermometer_is_tighter_than_independent_bits():
    weights = [[3], [-3], [3], [-3]]
    thermometer = Input((InputGroup(GroupKind.THERMOMETER, 4),))
    independent = Input((InputGroup(GroupKind.RANGE, 4, 1),))
    linear = Linear((Term.from_dense(0, weights),), np.zeros(1, np.int64))
    assert [int(edge[0]) for edge in bounds(Circuit((thermometer, linear), 1))[1]] == [0, 3]
    assert [int(edge[0]) for edge in bounds(Circuit((independent, linear), 1))[1]] == [-6, 6]


@pytest.mark.parametrize("seed", range(30))
def test_no_honest_input_leaves_the_bounds(seed, make_circuit, make_rows):
    rng = np.random.default_rng(seed)
    circuit = make_circuit(rng, depth=4)
    low, high = verify(circuit)[circuit.output]
    values = interpret(circuit, make_rows(rng, circuit.input, 300))
    assert (values >= low).all()
    assert (values <= high).all()


def test_unreachable_table_entries_do_not_count():
    given_ = Input((InputGroup(GroupKind.THERMOMETER, 2),))
    code = Linear((Term.from_dense(0, [[1], [1]]),), np.zeros(1, np.int64))
    circuit = Circuit((given_, code, Lookup(1, np.array([[4, 7, 5, 999]]), np.array([0]))), 1)
    assert [int(edge[0]) for edge in bounds(circuit)[2]] == [4, 7]


def test_a_lookup_of_values_outside_its_table_names_element_and_node():
    given_ = Input((InputGroup(GroupKind.THERMOMETER, 2),))
    code = Linear((Term.from_dense(0, [[0, 1], [1, 1]]),), np.zeros(2, np.int64))
    circuit = Circuit((given_, code, Lookup(1, np.array([[4, 7]]), np.array([0, 0]))), 1)
    with pytest.raises(CircuitError, match=r"node 2: looks up element 1, whose values are 0 \.\. 2"):
        bounds(circuit)


@pytest.mark.parametrize("depth", [2, 3, 8])
def test_weights_that_multiply_up_beyond_64_bits_are_refused(depth):
    given_ = Input((InputGroup(GroupKind.RANGE, 1, 1000),))
    steps = [Linear((Term.from_dense(node, [[1 << 40]]),), np.zeros(1, np.int64)) for node in range(depth)]
    with pytest.raises(CircuitError, match="overflow"):
        bounds(Circuit((given_, *steps), depth))


def test_offsets_that_multiply_up_beyond_64_bits_are_refused():
    given_ = Input((InputGroup(GroupKind.RANGE, 1, 1),))
    first = Linear((Term.from_dense(0, [[1]]),), np.array([1 << 60]))
    second = Linear((Term.from_dense(1, [[1 << 20]]),), np.zeros(1, np.int64))
    with pytest.raises(CircuitError, match="node 2: its weights could overflow"):
        bounds(Circuit((given_, first, second), 2))


def test_a_composition_that_grows_too_dense_is_refused():
    size = 5000
    given_ = Input((InputGroup(GroupKind.RANGE, size, 1),))
    every = np.arange(size)
    none = np.zeros(size, np.int64)
    ones = np.ones(size, np.int64)
    to_one = Linear((Term(0, every, none, ones),), np.zeros(1, np.int64))
    to_many = Linear((Term(1, none, every, ones),), none)
    with pytest.raises(CircuitError, match="node 2: composed with the Linear nodes before it"):
        bounds(Circuit((given_, to_one, to_many), 2))


def test_many_compositions_share_one_limit():
    """Each takes 4 million products, and leaves a map of 2000 entries."""
    size = 2000
    given_ = Input((InputGroup(GroupKind.RANGE, size, 1),))
    ones = Term.from_dense(0, np.ones((size, 1)))
    to_many = Linear((ones,), np.zeros(1, np.int64))
    every, none = np.arange(size), np.zeros(size, np.int64)
    spread = [Linear((Term(1, none, every, every + 1),), none) for _ in range(8)]
    with pytest.raises(CircuitError, match="node 4: composed with"):
        bounds(Circuit((given_, to_many, *spread), 2))


def test_large_sparse_circuits_are_bounded_in_seconds():
    rng = np.random.default_rng(0)
    bits, lookups = 20_000, 2_000
    rows = np.sort(rng.integers(0, bits, (lookups, 12)), axis=1)
    rows += np.arange(12)  # distinct
    columns = np.repeat(np.arange(lookups), 12)
    order = np.lexsort((columns, rows.ravel()))
    code = Term(0, rows.ravel()[order], columns[order], np.ones(12 * lookups, np.int64))
    circuit = Circuit(
        (
            Input(tuple(InputGroup(GroupKind.THERMOMETER, 20) for _ in range(bits // 20 + 1))),
            Linear((code,), np.zeros(lookups, np.int64)),
            Lookup(1, rng.integers(0, 100, (lookups, 16)), np.arange(lookups)),
            Linear((Term.from_dense(2, np.ones((lookups, 1))),), np.zeros(1, np.int64)),
        ),
        3,
    )
    start = time.process_time()
    found = bounds(circuit)
    assert time.process_time() - start < 5
    assert found[1].high.max() <= 12
