"""Tuning: the cheapest setting within the drop, found without compiling anything."""

from __future__ import annotations

import cryptable as ct
import numpy as np
import pytest
from cryptable.cost.prices import price_list
from cryptable.planner.networks.search import NARROWEST, Choices

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def problem():
    """Two moons, of which a small network tells nearly all apart."""
    rng = np.random.default_rng(0)
    angle, label = rng.uniform(0, np.pi, 300), rng.integers(0, 2, 300)
    X = np.column_stack([np.cos(angle) + label, np.sin(angle) * (1 - 2 * label) + 0.5 * label])
    X = (X + 0.1 * rng.normal(size=X.shape)).astype(np.float32)
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Linear(2, 8), torch.nn.ReLU(), torch.nn.Linear(8, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2)
    )
    optimizer = torch.optim.Adam(net.parameters(), 0.02)
    for _ in range(300):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(torch.tensor(X)), torch.tensor(label)).backward()
        optimizer.step()
    return net.eval(), X, label


@pytest.fixture(scope="module")
def tuning(problem):
    return ct.autotune(*problem, max_drop=0.01, show_progress=False)


def test_the_choice_keeps_the_score_and_none_cheaper_does(tuning):
    good = [each for each in tuning.tried if each.score >= tuning.float_score - 0.01]
    assert tuning.best.price == min(each.price for each in good)
    assert tuning.best in good
    uniform = [each for each in good if len(set(each.bits.values())) == 1]
    assert tuning.best.price <= min(each.price for each in uniform if each.ranges == tuning.best.ranges)
    assert set(tuning.best.bits) == {"/1/Relu", "/3/Relu"}
    assert min(tuning.best.bits.values()) >= NARROWEST


def test_the_front_rises_with_the_price(tuning):
    front = tuning.pareto()
    assert [each.price for each in front] == sorted({each.price for each in front})
    assert [each.score for each in front] == sorted({each.score for each in front})
    assert "<- chosen" in str(tuning) or tuning.best not in front


def test_it_is_drawn(tuning, tmp_path):
    pytest.importorskip("matplotlib")
    tuning.plot(tmp_path / "tuning.png")
    assert (tmp_path / "tuning.png").read_bytes().startswith(b"\x89PNG")


def test_it_compiles(tuning, problem):
    _, X, label = problem
    model = tuning.compile(name="moons")
    assert model.name == "moons"
    assert {layer.name: layer.table_bits for layer in model.explain().lookups_by_layer} == tuning.best.bits
    assert np.mean(model.predict(X) == label) >= tuning.float_score - 0.02


def test_dearer_settings_are_not_tried_once_there_is_a_good_one(tuning):
    """Exact rounding takes a lookup more for each bit that is dropped, a smaller p_error larger keys."""
    assert {each.rounding for each in tuning.tried} == {"approximate"}
    assert tuning.best.p_error == 2.0**-40
    choices = Choices(tuple(map(price_list, (2.0**-64, 2.0**-40))))
    assert [(rounding, prices.p_error, ranges) for rounding, prices, ranges in choices] == [
        *(("approximate", p_error, ranges) for p_error in (2.0**-40, 2.0**-64) for ranges in ("minmax", "mse")),
        *(("exact", 2.0**-40, ranges) for ranges in ("minmax", "mse")),
    ]


def test_exact_rounding_is_a_setting_like_any_other(problem):
    net, X, label = problem
    tuning = ct.autotune(net, X[:100], label[:100], ranges=["minmax"], rounding=["exact"], show_progress=False)
    noisy = ct.autotune(net, X[:100], label[:100], ranges=["minmax"], rounding=["approximate"], show_progress=False)
    assert tuning.best.rounding == "exact"
    exact, approximate = tuning.tried[0], noisy.tried[0]
    assert exact.bits == approximate.bits
    assert exact.lookups > 5 * approximate.lookups
    assert exact.price > 1.5 * approximate.price
    facts = tuning.compile().explain()
    assert (facts.lookups, facts.neighbour_rate, facts.ranges) == (tuning.best.lookups, None, "minmax")


def test_a_setting_that_is_never_good_enough_is_the_best_there_is(problem):
    net, X, label = problem
    tuning = ct.autotune(net, X, 1 - label, max_drop=0, ranges=["mse"], rounding=["approximate"], show_progress=False)
    assert tuning.best.score == max(each.score for each in tuning.tried)


def test_auto_bits_are_what_keeps_the_predictions(problem):
    net, X, label = problem
    model = ct.compile(net, X, labels=[0, 1], bits="auto", y_train=label)
    chosen = {layer.name: layer.table_bits for layer in model.explain().lookups_by_layer}
    assert chosen != {"/1/Relu": 6, "/3/Relu": 6}
    scores = net(torch.tensor(X)).detach().numpy()
    simulated = model.predict(X, mode="simulate")
    assert np.mean(simulated == label) >= np.mean(scores.argmax(axis=1) == label) - 0.02
    by_itself = ct.compile(net, X, labels=[0, 1], bits="auto")
    assert np.mean(by_itself.predict(X) == scores.argmax(axis=1)) >= 0.98


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bits": "few"}, "bits is 'few', expected a number"),
        ({"bits": "auto", "y_train": [1]}, r"y_train has shape \(1,\), X_train has"),
    ],
)
def test_auto_is_checked(problem, options, message):
    net, X, _ = problem
    with pytest.raises(ct.InvalidInputError, match=message):
        ct.compile(net, X, labels=[0, 1], **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"y": [1, 2]}, r"y has shape \(2,\), expected \(300,\)"),
        ({"max_drop": -1}, "max_drop is -1"),
        ({"p_error": 0.1}, "p_error is 0.1"),
        ({"rounding": ["up"]}, r"rounding is \['up'\], expected some of 'approximate', 'exact'"),
    ],
)
def test_options_are_checked(problem, options, message):
    net, X, label = problem
    with pytest.raises(ct.InvalidInputError, match=message):
        ct.autotune(net, X, **{"y": label, **options})
