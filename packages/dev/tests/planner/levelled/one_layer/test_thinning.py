"""Exponents left out where scores hardly differ: fewer products, and near enough on rows that were not looked at."""

import numpy as np
import pytest
from cryptable.planner.levelled.one_layer.examples import examples
from cryptable.planner.levelled.one_layer.exponents import rounded_exponents, shares_of
from cryptable.planner.levelled.one_layer.hidden_layer import HiddenLayer
from cryptable.planner.levelled.one_layer.input_digits import encoded, input_digits
from cryptable.planner.levelled.one_layer.tables import tables_of
from cryptable.planner.levelled.one_layer.thinning import thinned
from cryptable.planner.levelled.one_layer.turned_network import turned_network


def error(network, bits, wanted):
    difference = network.scores(bits.astype(float)) - wanted
    return np.sqrt(np.mean(difference**2, axis=0)).max()


@pytest.fixture(scope="module", params=[1, 2])
def rounded(request):
    """A network with small weights among large ones, rows of it, and their bits."""
    random = np.random.default_rng(4)
    outputs = request.param
    slopes = random.normal(size=(8, 6)) * (random.random(size=(8, 6)) ** 3)
    layer = HiddenLayer(
        slopes=slopes,
        curvatures=np.zeros(8),
        offset=random.normal(size=6),
        function=lambda sums: np.maximum(sums, 0),
        skips=np.zeros((8, outputs)),
        weights=random.normal(size=(6, outputs)),
        base=np.zeros(outputs),
    )
    rows = random.normal(size=(400, 8)) @ random.normal(size=(8, 8))
    data = examples(layer, rows[:300], layer.scores(rows[:300]))
    digits = input_digits(layer, tuple("abcdefgh"), rows[:300], 6)
    bits = encoded(digits, data.fitted)
    sums = layer.sums(rows[:300])
    tables = tables_of(layer, sums, sums.min(axis=0), sums.max(axis=0), 512, 1.5)
    shares = shares_of(bits.astype(float))
    exponents = rounded_exponents(digits.sums / tables.step, shares, 0.5, keep_common=False)
    network = turned_network(layer, digits, tables, exponents, bits.astype(float), shares)
    new = encoded(digits, rows[300:]), layer.scores(rows[300:])
    return network, data, bits, new


def test_fewer_products_are_as_near_as_is_allowed_on_new_rows_too(rounded):
    network, data, bits, (new_bits, new_scores) = rounded
    allowed = 0.08 * data.spread
    assert error(network, bits, data.fitted_scores) < 0.8 * allowed  # or there would be nothing to give up
    found = thinned(
        network, bits, data.fitted_scores, allowed, lambda each: error(each, bits, data.fitted_scores) <= allowed
    )
    assert found.products < 0.85 * network.products
    assert error(found, bits, data.fitted_scores) <= allowed
    assert error(found, new_bits, new_scores) <= 1.25 * allowed
    kept = found.exponents != 0
    assert (found.exponents[kept] == network.exponents[kept]).all()
    assert kept.any(axis=0).all()


def test_what_is_not_near_without_any_stays_as_it_is(rounded):
    network, data, bits, _ = rounded
    before = network.exponents.copy()
    assert thinned(network, bits, data.fitted_scores, 0.05 * data.spread, lambda _: False) is network
    assert (network.exponents == before).all()


def test_what_bits_did_on_average_goes_into_their_lines(rounded):
    network, data, bits, _ = rounded
    found = thinned(network, bits, data.fitted_scores, 0.05 * data.spread, lambda _: True)
    without = np.flatnonzero((found.exponents != network.exponents).any(axis=1))
    assert without.size
    assert (found.lines[without] != network.lines[without]).any(axis=1).all()
    mean = (found.scores(bits.astype(float)) - data.fitted_scores).mean(axis=0)
    assert np.abs(mean).max() < 1e-9 * data.spread
