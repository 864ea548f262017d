"""Networks that reach their scores linearly: as exact there as linear models are, whatever the number of features."""

import warnings
from dataclasses import replace

import cryptable as ct
import numpy as np
import pytest
import torch
from cryptable.compiling.plan import plan
from cryptable.compiling.settings import CompileSettings
from cryptable.importers.networks.import_network import import_network
from cryptable.planner.networks.input_grid import input_grid, natural_steps
from cryptable.planner.networks.quantize import Precision, quantize
from cryptable_engine import interpret
from cryptable_engine.circuit.readout import output_bits
from cryptable_protocol import encode_rows
from sklearn.datasets import load_digits, make_classification
from sklearn.linear_model import LogisticRegression
from torch import nn

DIGITS, LABELS = load_digits(return_X_y=True)
DIGITS = (DIGITS / 16).astype(np.float32)
TRAIN, TEST = slice(0, None, 2), slice(1, None, 2)
TEN = CompileSettings(labels=list(range(10)))


def fitted(network, rows=DIGITS[TRAIN], labels=LABELS[TRAIN], steps=40):
    """A few steps over all rows at once: enough for weights that mean something."""
    given, wanted = torch.tensor(rows), torch.tensor(labels)
    optimizer = torch.optim.Adam(network.parameters(), 0.05)
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(given), wanted).backward()
        optimizer.step()
    return network.eval()


def head(rows, labels):
    """The weights of a logistic regression, as a layer."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it has not converged
        model = LogisticRegression(max_iter=20).fit(rows, labels)
    layer = nn.Linear(rows.shape[1], len(model.classes_))
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(model.coef_))
        layer.bias.copy_(torch.tensor(model.intercept_))
    return layer


def answers(network, planned, rows):
    """Scores of the network and of its circuit."""
    with torch.no_grad():
        wanted = network(torch.tensor(rows)).numpy()
    return wanted, planned.decoder.decision_function(interpret(planned.circuit, encode_rows(planned.features, rows)))


def assert_as_good(network, planned, rows, labels, *, rms=0.08):
    wanted, found = answers(network, planned, rows)
    scores = [np.mean(each.argmax(axis=1) == labels) for each in (wanted, found)]
    assert abs(scores[1] - scores[0]) <= 0.005
    assert np.sqrt(np.mean((found - wanted) ** 2)) < rms * wanted.std()


class WideAndDeep(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.wide, self.deep, self.scores = nn.Linear(features, 10), nn.Linear(features, 8), nn.Linear(8, 10)

    def forward(self, rows):
        return self.wide(rows) + self.scores(torch.relu(self.deep(rows)))


class AveragePooling(nn.Module):
    def __init__(self):
        super().__init__()
        self.convolution, self.scores = nn.Conv2d(1, 3, 3, padding=1), nn.Linear(48, 10)

    def forward(self, rows):
        return self.scores(
            nn.functional.avg_pool2d(torch.relu(self.convolution(rows.reshape(-1, 1, 8, 8))), 2).flatten(1)
        )


class PooledFeatures(nn.Module):
    """Linear, though it looks like an image network."""

    def __init__(self):
        super().__init__()
        self.scores = nn.Linear(16, 10)

    def forward(self, rows):
        return self.scores(nn.functional.avg_pool2d(rows.reshape(-1, 1, 8, 8), 2).flatten(1))


def test_a_linear_head_on_digits_is_a_linear_model():
    network = nn.Sequential(head(DIGITS[TRAIN], LABELS[TRAIN]))
    planned = plan(network, DIGITS[TRAIN], TEN)
    wanted, found = answers(network, planned, DIGITS[TEST])
    assert np.abs(found - wanted).max() <= planned.error_bound <= 0.05
    np.testing.assert_array_equal(found.argmax(axis=1), wanted.argmax(axis=1))
    assert planned.agreement.labels == 1


def test_a_linear_head_on_512_frozen_features():
    rows, labels = make_classification(
        1200, 512, n_informative=60, n_redundant=200, n_classes=10, class_sep=2.0, random_state=0
    )
    rows = np.maximum(rows, 0).astype(np.float32)
    network = nn.Sequential(head(rows[:800], labels[:800]))
    model = ct.compile(network, rows[:800], labels=list(range(10)))  # with keys: not every tolerance has any
    wanted = network(torch.tensor(rows[800:])).detach().numpy()
    assert np.mean(model.predict(rows[800:]) == wanted.argmax(axis=1)) > 0.995
    with pytest.raises(ct.UnsupportedModelError, match="too fine for any keys; raise tolerance="):
        plan(network, rows[:800], CompileSettings(labels=list(range(10)), tolerance=0.02, input_bits=24))


@pytest.mark.parametrize("make", [lambda: WideAndDeep(64), AveragePooling, PooledFeatures], ids=range(3))
def test_what_reaches_scores_linearly_is_exact_enough(make):
    torch.manual_seed(0)
    network = fitted(make())
    planned = plan(network, DIGITS[TRAIN], TEN)
    assert_as_good(network, planned, DIGITS[TEST], LABELS[TEST])
    assert 0.97 < planned.agreement.labels <= 1
    assert planned.agreement.rows == len(DIGITS[TRAIN])


@pytest.mark.parametrize("input_bits", [None, 10, 12, 16])
def test_more_input_bits_make_nothing_worse(input_bits):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(1500, 40)).astype(np.float32)
    labels = (rows @ rng.normal(size=(40, 10))).argmax(axis=1)
    torch.manual_seed(0)
    network = fitted(WideAndDeep(40), rows[:1000], labels[:1000])
    planned = plan(network, rows[:1000], CompileSettings(labels=list(range(10)), input_bits=input_bits))
    assert_as_good(network, planned, rows[1000:], labels[1000:], rms=0.12)
    assert output_bits(planned.circuit) <= 17


def test_a_tolerance_is_kept_on_the_calibration_data_or_refused():
    torch.manual_seed(0)
    network = fitted(nn.Sequential(nn.Linear(64, 12), nn.ReLU(), nn.Linear(12, 10)))
    planned = plan(network, DIGITS[TRAIN], CompileSettings(labels=list(range(10)), bits=6, tolerance=2.0))
    wanted, found = answers(network, planned, DIGITS[TRAIN])
    assert np.abs(found - wanted).max() <= 2.0
    with pytest.raises(ct.UnsupportedModelError, match=r"tolerance is 0.01, but scores differ by up to .* raise bits="):
        plan(network, DIGITS[TRAIN], CompileSettings(labels=list(range(10)), tolerance=0.01))


def test_compile_prints_the_agreement_or_warns_of_it(capsys):
    torch.manual_seed(0)
    network = fitted(nn.Sequential(nn.Linear(64, 12), nn.ReLU(), nn.Linear(12, 10)))
    model = ct.compile(network, DIGITS[TRAIN], labels=list(range(10)), bits=5)
    assert f"sequential: {model.explain().agreement}" in capsys.readouterr().err
    assert "beside the model itself" in str(model.explain())
    with pytest.warns(ct.AgreementWarning, match="does not answer quite as the model itself: .* more bits="):
        ct.compile(network, DIGITS[TRAIN], labels=list(range(10)), bits=1)


@pytest.mark.parametrize(
    ("column", "step"),
    [
        (np.arange(200) % 17 / np.float32(16), 1 / 16),
        ((np.arange(200) % 250 / np.float32(255) - 0.1307) / 0.3081, 1 / (255 * 0.3081)),
        (3.0 * (np.arange(200) % 9), 1.0),
        (np.random.default_rng(0).normal(size=200), 0.0),
    ],
)
def test_numbers_tell_their_step(column, step):
    (found,) = natural_steps(column.astype(np.float64)[:, None], np.array([256.0]))
    assert found == pytest.approx(step, rel=1e-5)


def test_a_step_that_few_numbers_tell_is_that_of_all_columns():
    rows = np.random.default_rng(0).integers(0, 17, (300, 8)) / 16
    rows[:, 3] = np.where(rows[:, 3] > 0.5, 0.5, 0.0)
    np.testing.assert_allclose(natural_steps(rows, np.full(8, 256.0)), 1 / 16)
    rows[:, 0] = np.random.default_rng(1).normal(size=300)
    assert natural_steps(rows, np.full(8, 256.0))[3] == 0.0  # what is seen of it may not be all


def test_levels_are_the_numbers_themselves_where_those_suffice():
    rows = np.random.default_rng(0).integers(0, 17, (300, 4)) / 16
    grid = input_grid(rows, np.full(4, 256.0), np.array([0.0, 0.1, 0.0, 0.0]))
    np.testing.assert_array_equal(grid.numbers(grid.encode(rows)), rows)
    assert grid.maximum.tolist() == [16, 20, 16, 16]
    coarse = input_grid(rows, np.full(4, 9.0), np.zeros(4))
    assert coarse.maximum.tolist() == [8] * 4


@pytest.mark.parametrize("bits", [2, 3])
def test_scores_of_lookups_have_no_more_bits_than_lookups_give_them(bits):
    """Finer ones would err less, but by little."""
    torch.manual_seed(0)
    network = fitted(nn.Sequential(nn.Linear(64, 24), nn.ReLU(), nn.Linear(24, 10)))
    _, segments, rows = import_network(network, DIGITS[TRAIN])
    segments = replace(segments, labels=tuple(range(10)))
    exact = segments.scores(rows)
    fine, coarse = (
        quantize(segments, rows, Precision(bits=bits, error=error)) for error in (0.03 * exact.std(axis=0).max(), None)
    )
    off = [np.square(each.scores(each.input_grid.encode(rows)) - exact).mean() ** 0.5 for each in (fine, coarse)]
    assert coarse.step > 1.5 * fine.step
    assert off[1] <= 1.05 * off[0]
