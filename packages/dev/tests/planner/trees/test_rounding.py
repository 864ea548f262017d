"""Rounded values stay within the error that is stated."""

import numpy as np
from cryptable.planner.trees.rounding import largest_errors, round_values
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays


@settings(deadline=None)
@given(arrays(np.float64, st.integers(1, 20), elements=st.floats(-100, 100)), st.floats(1e-3, 50))
def test_the_stated_error_holds(values, step):
    integers, constant, error = round_values(values, step)
    assert integers.min() == 0
    assert error <= step / 2 + 1e-9
    assert np.abs(values - (constant + step * integers)).max() <= error + 1e-9


def test_two_values_on_no_common_grid_cost_a_quarter_step_at_most():
    _, _, error = round_values(np.array([0.0, 0.5]), 1.0)
    assert error <= 0.25 + 1e-12


@settings(deadline=None)
@given(
    st.lists(arrays(np.float64, st.integers(1, 6), elements=st.floats(-100, 100)), min_size=1, max_size=5),
    st.floats(1e-3, 50),
)
def test_errors_of_many_runs_at_once_are_those_of_each(runs, step):
    first = np.cumsum([0, *(run.size for run in runs)])[:-1]
    found = largest_errors(np.concatenate(runs), first, step)
    assert found.tolist() == [round_values(run, step)[2] for run in runs]
