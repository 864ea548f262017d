"""Exponents changed by one where all scores come nearer: also on rows that were not looked at, at no product more."""

import numpy as np
import pytest
from cryptable.planner.levelled.one_layer.descent import descended
from cryptable.planner.levelled.one_layer.distances import tables_of_distances
from cryptable.planner.levelled.one_layer.examples import examples
from cryptable.planner.levelled.one_layer.exponents import rounded_exponents, shares_of
from cryptable.planner.levelled.one_layer.hidden_layer import HiddenLayer
from cryptable.planner.levelled.one_layer.input_digits import encoded, input_digits
from cryptable.planner.levelled.one_layer.turned_network import turned_network


@pytest.fixture(scope="module", params=[1, 2])
def rounded(request):
    """A kernel machine of coarse positions, its rows, and their bits."""
    random = np.random.default_rng(3)
    outputs = request.param
    mixing = random.normal(size=(3, 8))
    rows = random.normal(size=(300, 3)) @ mixing + 0.3 * random.normal(size=(300, 8))
    vectors = rows[:24]
    layer = HiddenLayer(
        slopes=-0.1 * vectors.T,
        curvatures=np.full(8, 0.05),
        offset=0.05 * (vectors**2).sum(axis=1),
        function=lambda sums: np.exp(-np.maximum(sums, 0)),
        skips=np.zeros((8, outputs)),
        weights=random.normal(size=(24, outputs)),
        base=np.zeros(outputs),
    )
    data = examples(layer, rows, layer.scores(rows))
    digits = input_digits(layer, tuple("abcdefgh"), rows, 5)
    bits = encoded(digits, data.fitted)
    sums = layer.sums(rows)
    low, high = sums.min(axis=0), sums.max(axis=0)
    tables = tables_of_distances(layer, sums, low, high, float((high - low).max()), 128)
    shares = shares_of(bits.astype(float))
    exponents = rounded_exponents(digits.sums / tables.step, shares, 0.5, keep_common=True)
    return turned_network(layer, digits, tables, exponents, bits.astype(float), shares), data, digits, bits


def test_scores_are_nearer_on_rows_that_were_not_looked_at_too(rounded):
    network, data, digits, bits = rounded
    found = descended(network, bits, data.fitted_scores)
    assert found.products == network.products
    assert ((found.exponents != 0) == (network.exponents != 0)).all()
    common = np.ptp(network.exponents, axis=1) == 0
    assert common.any()
    assert (found.exponents[common] == network.exponents[common]).all()
    judged = encoded(digits, data.judged).astype(float)

    def error(network):
        return np.sqrt(np.mean((network.scores(judged) - data.scores) ** 2))

    assert error(found) < 0.9 * error(network)
