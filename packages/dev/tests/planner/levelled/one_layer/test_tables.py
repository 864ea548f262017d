"""Functions taken apart into a line and what repeats with the other sign: twelve of them, over what range they have."""

import numpy as np
import pytest
from activations import ACTIVATIONS
from cryptable.planner.levelled.one_layer.hidden_layer import HiddenLayer
from cryptable.planner.levelled.one_layer.tables import tables_of


def layer_of(function):
    one = np.ones((1, 1))
    return HiddenLayer(one, np.zeros(1), np.zeros(1), function, 0 * one, one, np.zeros(1))


def read(tables, sums):
    """What tables and lines make of sums."""
    nearest = np.rint((sums - tables.low) / tables.step)
    place = nearest.astype(int) % (2 * tables.positions)
    held = tables.values[place % tables.positions, 0] * np.where(place < tables.positions, 1, -1)
    held += tables.mean_slope * (sums - tables.low - nearest * tables.step)
    return tables.slope * sums + tables.constant + held


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("low", [-6.0, -1.0, 0.5])
def test_each_activation_is_read_wherever_its_sums_lie(name, low):
    function = ACTIVATIONS[name]
    sums = np.random.default_rng(1).uniform(low, 5.0, (2000, 1))
    tables = tables_of(layer_of(function), sums, np.array([low]), np.array([5.0]), 256, blur=1.0)
    error = read(tables, sums[:, 0]) - function(sums[:, 0])
    spread = float(function(sums).std())
    assert np.sqrt(np.mean(error**2)) <= (0.15 if name == "step" else 0.03) * spread + 1e-12
    assert tables.values.shape == (256, 1)


@pytest.mark.parametrize(("name", "slope"), [("relu", 0.5), ("tanh", 0.0), ("leaky", 0.55)])
def test_functions_with_such_a_symmetry_need_half_the_steps(name, slope):
    sums = np.random.default_rng(1).uniform(-6.0, 6.0, (2000, 1))
    tables = tables_of(layer_of(ACTIVATIONS[name]), sums, np.array([-6.0]), np.array([6.0]), 256, blur=1.0)
    assert tables.step[0] < 12 / 256 * 0.75
    assert abs(tables.slope[0] - slope) < 0.01


def test_a_table_begins_anywhere():
    sums = np.linspace(-1.0, 1.0, 50)[:, None]
    tables = tables_of(layer_of(np.exp), sums, np.array([-1.0]), np.array([1.0]), 8, blur=1.0)
    both = np.concatenate([tables.values[:, 0], -tables.values[:, 0]])
    for first in (-3, 0, 5, 11):
        assert (tables.turned(np.array([first]))[:, 0] == np.roll(both, -first)[:8]).all()


def test_sums_that_never_vary_are_constants():
    tables = tables_of(layer_of(np.exp), np.zeros((5, 1)), np.zeros(1), np.zeros(1), 8, blur=1.0)
    assert np.isfinite(tables.values).all()
    assert read(tables, np.zeros(3)).tolist() == [1.0, 1.0, 1.0]
