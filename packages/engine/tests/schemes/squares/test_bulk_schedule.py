"""The order of steps of rows in bulk: whole, each behind what it reads, and few columns in memory at once."""

import math
from collections import Counter

import numpy as np
import pytest
from bulk_case import BulkCase
from cryptable_engine import compile_in_bulk, interpret, verify
from cryptable_engine.circuit.bounds import highest_output
from cryptable_engine.schemes.squares.bulk.arrangement import arranged
from cryptable_engine.schemes.squares.bulk.choice import choose_bulk_plan, parameters_of
from cryptable_engine.schemes.squares.bulk.columns import Columns, Sum, read_columns
from cryptable_engine.schemes.squares.bulk.plan import BulkPlan
from cryptable_engine.schemes.squares.bulk.schedule import Schedule
from cryptable_engine.schemes.squares.rings.seal import SealRing
from cryptable_protocol.schemes.squares.keyset import CHAINS
from hypothesis import given, settings
from hypothesis import strategies as st
from small_forests import drawn_rows, forest
from square_networks import square_network

T = 65537


def column(index):
    return Sum(((index, 1),), 0)


def evaluated(columns, order, rows, sizes):
    """Outputs by steps in this order, dropping what no step and no output awaits any more; and what was held, by size.

    Inputs are there from their first use. Outputs add up what they read when it is made.
    """
    left = Counter(read for step in columns.steps for read in {read for each in step for read, _ in each.weights})
    kept, most = {}, Counter()
    totals = [np.full(len(rows), each.constant) for each in columns.outputs]
    awaited = {read for each in columns.outputs for read, _ in each.weights}

    def keep(index, value):
        kept[index] = value
        for output, each in enumerate(columns.outputs):
            totals[output] = totals[output] + dict(each.weights).get(index, 0) * value
        awaited.discard(index)

    def total(each):
        for read, _ in each.weights:
            if read < columns.inputs and read not in kept:
                keep(read, rows[:, read])
        return (each.constant + sum(weight * kept[read] for read, weight in each.weights)) % T

    for index in order:
        step = columns.steps[index]
        keep(columns.inputs + index, math.prod(map(total, step)) % T)
        held = Counter(sizes[each] for each in kept)
        most |= held
        for read in {read for each in step for read, _ in each.weights}:
            left[read] -= 1
        for each in [each for each in kept if not left[each]]:
            del kept[each]
    for index in sorted(awaited):
        keep(index, rows[:, index])
    return np.stack(totals, axis=1) % T, most


@given(
    seed=st.integers(0, 2**32 - 1),
    thermometers=st.lists(st.integers(1, 12), min_size=1, max_size=5),
    depth=st.integers(1, 5),
    degree=st.sampled_from([0, 2, 4]),
)
@settings(max_examples=30, deadline=None)
def test_steps_read_what_was_made_and_is_still_held(seed, thermometers, depth, degree):
    random = np.random.default_rng(seed)
    circuit = forest(random, thermometers, trees=3, depth=depth)
    columns = arranged(circuit, T, degree)
    sizes = random.integers(1, 4, columns.inputs + len(columns.steps)).tolist()
    schedule = Schedule(columns, sizes)
    assert sorted(schedule.order) == list(range(len(columns.steps)))
    rows = random.integers(0, 5, (20, columns.inputs))
    found, most = evaluated(columns, schedule.order, rows, sizes)
    wanted, _ = evaluated(columns, range(len(columns.steps)), rows, sizes)
    np.testing.assert_array_equal(found, wanted)
    assert schedule.most_held == most


def test_products_do_not_wait_for_the_bits_of_other_thermometers():
    columns = arranged(forest(np.random.default_rng(0), [25] * 8, trees=40, depth=3), T, 4)
    sizes = [1] * (columns.inputs + len(columns.steps))
    schedule = Schedule(columns, sizes)
    _, before = evaluated(columns, range(len(columns.steps)), np.zeros((1, columns.inputs), int), sizes)
    bits = sum(len(step) == 1 for step in columns.steps)
    assert schedule.most_held[1] < min(bits, 0.9 * before[1])


def test_squares_of_a_first_layer_keep_their_order_and_read_no_columns():
    columns = read_columns(square_network(np.random.default_rng(3), (3, 6, 4, 2), maximum=3), T)
    schedule = Schedule(columns, [1] * (3 + len(columns.steps)))
    assert [step for step in schedule.order if step < 6] == list(range(6))
    assert schedule.reads[:6] == ((),) * 6


def test_what_an_output_reads_is_not_kept_for_it():
    steps = tuple((column(0), column(index)) for index in range(1, 6))
    columns = Columns(6, steps, (Sum(tuple((6 + index, 1) for index in range(5)), 0),))
    schedule = Schedule(columns, [3] * 6 + [1] * 5)
    assert schedule.most_held == {3: 2, 1: 1}


def test_memory_is_foretold_by_what_is_held(tmp_path):
    circuit = forest(np.random.default_rng(4), [52] * 10, trees=20, depth=3)
    highest = highest_output(circuit, verify(circuit))
    plan = BulkPlan(arranged(circuit, T, 4), parameters_of(circuit, highest, 5, T, 4, 2.0**-128))
    held = 2 * 8 * 16384 * sum(size * count for size, count in plan.schedule.most_held.items())
    assert held > 40e6
    assert held < plan.memory_bytes - 2 * plan.parameters.row_bytes < held + 40e6
    network = square_network(np.random.default_rng(3), (5, 40, 2), maximum=3)
    small = choose_bulk_plan(network, verify(network), 2.0**-128)
    assert compile_in_bulk(network, 2.0**-128, tmp_path / "program").memory_bytes == small.memory_bytes < 90e6


@pytest.mark.encrypted
def test_ciphertexts_give_back_what_they_had_room_for():
    ring, size = SealRing(CHAINS[1], T), CHAINS[1].ring_size
    words = np.random.default_rng(0).integers(0, 1 << 45, (2, 3, size))
    switched = ring.switched(ring.ciphertext(*words), 1)
    before = ring.words(switched, range(2 * size))
    assert switched.dyn_array().capacity() > 2 * size
    ring.fit(switched)
    assert switched.dyn_array().capacity() == 2 * size
    np.testing.assert_array_equal(ring.words(switched, range(2 * size)), before)


@pytest.mark.encrypted
def test_outputs_that_share_columns_and_inputs_are_exact():
    """Sums of products, of inputs that steps read, and of inputs that none reads."""
    circuit = forest(np.random.default_rng(7), [4, 3, 2], trees=2, depth=2)
    plan = choose_bulk_plan(circuit, verify(circuit), 2.0**-128)
    assert {read for each in plan.columns.outputs for read, _ in each.weights} & set(range(9))
    rows = drawn_rows(np.random.default_rng(1), [4, 3, 2], 50)
    np.testing.assert_array_equal(BulkCase(plan).evaluate(rows), interpret(circuit, rows))
