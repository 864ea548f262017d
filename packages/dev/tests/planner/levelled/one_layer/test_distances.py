"""Tables of what decays with the distance: halves of a turn share entries, and what is far off stays unusual."""

import numpy as np
import pytest
from cryptable.planner.levelled.one_layer.distances import is_one_sided, tables_of_distances
from cryptable.planner.levelled.one_layer.hidden_layer import HiddenLayer


def layer_of(weights):
    neurons = len(weights)
    return HiddenLayer(
        np.zeros((2, neurons)),
        np.ones(2),
        np.zeros(neurons),
        lambda sums: np.exp(-sums),
        np.zeros((2, 1)),
        np.asarray(weights, float)[:, None],
        np.zeros(1),
    )


def read(tables, sums):
    place = np.rint((sums - tables.low) / tables.step).astype(int) % (2 * tables.positions)
    held = np.take_along_axis(tables.values, place % tables.positions, axis=0)
    return held * np.where(place < tables.positions, 1, -1) + tables.constant


@pytest.fixture
def sums():
    """Of two vectors: one amid the rows, and one that hardly any row is near."""
    random = np.random.default_rng(0)
    return np.stack([random.gamma(4.0, 0.25, 3000), 2.0 + random.gamma(16.0, 0.4, 3000)], axis=1)


def test_all_sums_are_read_where_one_half_holds_them(sums):
    low, high = sums.min(axis=0), sums.max(axis=0)
    tables = tables_of_distances(layer_of([1.0, -1.0]), sums, low, high, float((high - low).max()), 512)
    assert np.abs(read(tables, sums) - np.exp(-sums)).max() < 0.02
    assert (tables.step == tables.step[0]).all()


def test_half_the_reach_errs_little_where_what_shares_an_entry_is_rare(sums):
    low, high = sums.min(axis=0), sums.max(axis=0)
    widest = float((high - low).max())
    tables = tables_of_distances(layer_of([1.0, -1.0]), sums, low, high, 0.6 * widest, 512)
    error = read(tables, sums) - np.exp(-sums)
    assert np.sqrt(np.mean(error**2)) < 0.01
    assert tables.step[0] == pytest.approx(0.6 * widest / 511)


def test_what_adds_up_weights_of_one_sign_falls_beyond_its_reach(sums):
    layer = layer_of([1.0, 1.0])
    assert is_one_sided(layer)
    assert not is_one_sided(layer_of([1.0, -1.0]))
    low, high = np.full(2, sums.min()), np.full(2, sums.max())
    reach = float(high[0] - low[0])
    tables = tables_of_distances(layer, sums, low, high, reach, 512)
    assert (read(tables, sums + reach) <= np.exp(-high) + 0.01).all()
