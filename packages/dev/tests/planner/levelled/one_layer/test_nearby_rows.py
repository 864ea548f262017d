"""Rows like those of calibration data: correlated as they are, of values that columns have, the same each time."""

import numpy as np
from cryptable.planner.levelled.one_layer.examples import examples
from cryptable.planner.levelled.one_layer.hidden_layer import HiddenLayer
from cryptable.planner.levelled.one_layer.nearby_rows import nearby_rows


def test_they_are_as_the_rows_are():
    random = np.random.default_rng(0)
    first = random.normal(size=400)
    rows = np.stack([first, first + 0.1 * random.normal(size=400), random.integers(0, 3, 400) * 2.0], axis=1)
    found = nearby_rows(rows, 2000, seed=1)
    assert found.shape == (2000, 3)
    assert np.abs(np.corrcoef(found.T) - np.corrcoef(rows.T)).max() < 0.1
    assert set(found[:, 2]) == {0.0, 2.0, 4.0}
    assert (found == nearby_rows(rows, 2000, seed=1)).all()
    assert (found != nearby_rows(rows, 2000, seed=2)).any()


def test_plans_are_judged_by_others_than_they_are_fitted_to_and_by_none_where_functions_have_no_value():
    one = np.ones((1, 1))
    rows = np.random.default_rng(0).uniform(0.0, 1.0, (200, 1))
    layer = HiddenLayer(one, np.zeros(1), np.zeros(1), np.exp, 0 * one, one, np.zeros(1))
    data = examples(layer, rows, layer.scores(rows))
    assert (len(data.fitted), len(data.judged), data.own) == (2000, 700, 200)
    assert np.isin(data.judged[200:], data.fitted).mean() < 0.05
    assert (data.scores[200:] == layer.scores(data.judged[200:])).all()
    roots = HiddenLayer(one, np.zeros(1), np.zeros(1), np.sqrt, 0 * one, one, np.zeros(1))
    data = examples(roots, rows, roots.scores(rows))
    assert (len(data.fitted), len(data.judged)) == (200, 200)
