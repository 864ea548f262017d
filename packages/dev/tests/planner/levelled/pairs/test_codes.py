"""Codes of bins: their digits are short, tell all bins apart, and are what encoders make of numbers."""

import numpy as np
import pytest
from cryptable.errors import UnsupportedModelError
from cryptable.planner.levelled.pairs.codes import feature_code
from hypothesis import given
from hypothesis import strategies as st


def digits_of(code, steps, column):
    return code.encoder(steps).encode(np.asarray(column, np.float64))


@given(seed=st.integers(0, 2**32), coarse=st.integers(0, 20), fine=st.integers(0, 30))
def test_numbers_have_the_codes_of_their_bins(seed, coarse, fine):
    random = np.random.default_rng(seed)
    edges = np.unique(random.integers(-40, 40, coarse + fine + 1).astype(np.float64))
    read = np.sort(random.choice(edges, min(coarse, len(edges)), replace=False))
    code = feature_code("x", read, edges)
    assert len(set(code.codes.tolist())) == len(edges) + 1
    assert (np.diff(code.codes) > 0).all()
    assert code.codes[-1] < 1 << code.digits
    column = np.r_[edges, np.nextafter(edges, -np.inf), np.nextafter(edges, np.inf), -1e300, 1e300, edges + 0.5]
    bins = np.searchsorted(edges, column, side="right")
    if read.size:
        assert (code.coarse[code.places[bins]] == np.searchsorted(read, column, side="right")).all()
    steps = [place for place in range(1, int(code.places[-1]) + 1) if place % 3 == 0]
    found = digits_of(code, steps, column)
    assert (found[:, : code.digits] @ (1 << np.arange(code.digits)) == code.codes[bins]).all()
    assert (found[:, code.digits :] == (code.places[bins][:, None] >= np.array(steps, np.int64))).all()


def test_edges_that_are_next_to_each_other_are_told_apart():
    edges = np.array([1.0, np.nextafter(1.0, 2.0), np.nextafter(np.nextafter(1.0, 2.0), 2.0), 5.0])
    code = feature_code("x", np.empty(0), edges)
    found = digits_of(code, [], [0.0, *edges, 6.0])
    assert (found @ (1 << np.arange(3))).tolist() == [0, 1, 2, 3, 4, 4]


def test_a_place_of_many_bins_is_divided_where_that_saves_a_digit():
    # Two bins of pairs, the second of which has six others: four places of two bins each.
    code = feature_code("x", np.array([0.0, 1.0]), np.arange(8.0))
    assert (code.upper, code.lower) == (2, 2)
    assert code.coarse.tolist() == [0, 1, 2, 2]


def test_more_bins_than_a_curve_has_knots_for_are_refused():
    with pytest.raises(UnsupportedModelError, match="'x' has 3001 bins, at most 2048"):
        feature_code("x", np.empty(0), np.arange(3000.0)).encoder([])
