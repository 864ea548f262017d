import numpy as np
import pytest
from cryptable.planner.networks.staircase import climb


def _read(stairs, low, count):
    integers = low + np.arange(count)
    return stairs.entries[(integers * stairs.multiplier + stairs.offset) >> stairs.shift]


@pytest.mark.parametrize("step", [3.7, 16.0, 29.31])
@pytest.mark.parametrize("top", [1, 7, 15])
def test_a_quantized_relu_needs_no_more_entries_than_it_has_steps(step, top):
    low, count = -200, 500
    table = np.clip(np.floor((low + np.arange(count)) / step + 0.45), 0, top).astype(np.int64)
    stairs = climb(table, low)
    np.testing.assert_array_equal(_read(stairs, low, count), table)
    assert len(stairs.entries) <= np.ceil(count / step) + 2


def test_two_values_need_one_bit():
    table = (np.arange(-70, 300) >= 13).astype(np.int64) * 5
    stairs = climb(table, -70)
    assert stairs.width == 1
    np.testing.assert_array_equal(_read(stairs, -70, 370), table)


def test_a_table_without_even_steps_is_kept_as_it_is():
    table = np.random.default_rng(0).integers(0, 16, 100)
    stairs = climb(table, -30)
    assert (stairs.shift, len(stairs.entries)) == (0, 100)
    np.testing.assert_array_equal(_read(stairs, -30, 100), table)


def test_a_longer_shift_changes_nothing():
    table = np.clip(np.arange(-50, 50) // 7, 0, 5)
    stairs = climb(table, -50)
    np.testing.assert_array_equal(_read(stairs.finer(stairs.shift + 4), -50, 100), table)
