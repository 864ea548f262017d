"""Functions of single features with which a network begins: clients evaluate them, in every scheme."""

import cryptable as ct
import numpy as np
import pytest
import torch
from cryptable.compiling.plan import plan
from cryptable.compiling.settings import CompileSettings
from cryptable.graphs.bends import straightened
from cryptable.graphs.symbols import widened
from cryptable.importers.networks.import_network import import_network
from cryptable.planner.networks.feature_functions import behind_functions
from cryptable_engine import interpret
from cryptable_protocol import (
    AffineEncoder,
    BitsEncoder,
    CurvesEncoder,
    InternalError,
    PolylineEncoder,
    UnusedFeature,
    encode_rows,
)
from cryptable_protocol.schemes.scheme import BOOTSTRAPPED
from torch import nn

ROWS = np.random.default_rng(0).uniform(0.1, 10.0, (400, 5)).astype(np.float32)


class Functions(nn.Module):
    """Of features: a logarithm beside itself, a step and a wave, a clip and a constant, a square; x4 is not read."""

    def __init__(self, hidden=0):
        super().__init__()
        torch.manual_seed(0)
        self.hidden = nn.Linear(7, hidden) if hidden else None
        self.scores = nn.Linear(hidden or 7, 2)

    def forward(self, rows):
        a, b, c, d = (rows[:, [index]] for index in range(4))
        chosen = torch.where(c > 5, torch.tensor(1.5), c)
        parts = torch.cat([torch.log(a), a, (b > 3).float(), torch.sin(b), chosen, torch.clip(c, 2, 7), d * d], 1)
        return self.scores(parts if self.hidden is None else torch.tanh(self.hidden(parts)))


def answers(planned, rows):
    return planned.decoder.decision_function(interpret(planned.circuit, encode_rows(planned.features, rows)))


def expected(module, rows):
    with torch.no_grad():
        return module(torch.tensor(rows, dtype=torch.float32)).numpy()


@pytest.fixture(scope="module")
def linear():
    return plan(Functions(), ROWS, CompileSettings(tolerance=0.01))


def test_a_network_of_them_alone_has_no_lookup_and_a_bound(linear):
    """Beyond calibration data too, between the ends of the encoders."""
    assert linear.circuit.lookups == 0
    a, b, c, d, unread = linear.features
    assert [type(each) for each in (a, b, c)] == [CurvesEncoder] * 3
    assert (type(d), type(unread)) == (PolylineEncoder, UnusedFeature)
    assert [a.size, b.size, c.size] == [2, 2, 2]
    assert linear.error_bound <= 0.01
    rows = np.random.default_rng(1).uniform(0.2, 9.9, (2000, 5)).astype(np.float32)
    assert np.abs(answers(linear, rows) - expected(Functions(), rows)).max() <= linear.error_bound + 1e-5
    square = ROWS[:100].copy()
    square[:, 3] = np.linspace(9.9, 13, 100)  # 169 is within twice the range of squares
    assert np.abs(answers(linear, square) - expected(Functions(), square)).max() <= linear.error_bound + 1e-4


def test_steps_are_where_the_network_has_them_to_the_last_bit(linear):
    """The network reads numbers in single precision: what rounds to 3 is not above it."""
    above = np.nextafter(np.float32(3), np.float32(4)).astype(np.float64)
    middle = (3 + above) / 2  # goes to the even 3
    column = np.array([3.0, middle, np.nextafter(middle, 4), above, np.nextafter(3.0, 0)])
    wave = linear.features[1].curves
    step = next(curve for curve in wave if curve.levels_at[0] == min(curve.levels_at) and len(curve.knots) <= 4)
    assert (step.encode(column)[:, 0] > step.maximum / 2).tolist() == [False, False, True, True, False]


def test_a_jump_at_zero_is_at_zero():
    class Positive(nn.Module):
        def forward(self, rows):
            return (rows[:, :1] > 0).float() + 0.25 * rows[:, 1:]

    planned = plan(Positive(), np.random.default_rng(0).normal(size=(200, 2)))
    assert planned.circuit.lookups == 0
    tiny = np.array([[-1e-30, 0.0], [0.0, 0.0], [1e-30, 0.0], [5.0, 0.0], [-5.0, 0.0]])
    np.testing.assert_allclose(answers(planned, tiny), [0, 0, 1, 1, 0], atol=0.01)


def test_what_is_left_is_looked_up():
    module = Functions(4)
    planned = plan(module, ROWS, CompileSettings(bits=7))
    assert planned.circuit.lookups == 4
    (name,) = planned.layer_names
    assert "anh" in name
    assert plan(module, ROWS, CompileSettings(bits={name: 3})).circuit.nodes[2].width == 3
    scores = expected(module, ROWS)
    assert np.abs(answers(planned, ROWS) - scores).mean() < 0.03 * scores.std()


def test_under_the_scheme_levelled_they_are_binary_digits():
    module = Functions(4)
    planned = plan(module, ROWS, CompileSettings(scheme="levelled"))
    assert isinstance(planned.features[0], BitsEncoder)
    assert [type(part) for part in planned.features[1].parts] == [PolylineEncoder] * 2
    scores = expected(module, ROWS)
    assert (answers(planned, ROWS).argmax(axis=1) == scores.argmax(axis=1)).mean() > 0.98


def test_squares_stand_behind_them():
    class Squared(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.one, self.two = nn.Linear(2, 4), nn.Linear(4, 1)

        def forward(self, rows):
            return self.two(self.one(torch.log(rows)) ** 2)

    planned = plan(Squared(), ROWS[:, :2], CompileSettings(scheme="squares"))
    assert [type(each) for each in planned.features] == [PolylineEncoder] * 2
    scores = expected(Squared(), ROWS[:, :2])
    assert np.abs(answers(planned, ROWS[:, :2]) - scores[:, 0]).std() < 0.05 * scores.std()


class Thresholds(nn.Module):
    """Rows of an embedding by how many thresholds a feature is above, beside a category."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.of_age, self.of_kind = nn.Embedding(4, 2), nn.Embedding(3, 2)

    def forward(self, age, kind):
        above = (age > torch.tensor([20.0, 40.0, 60.0])).sum(dim=1)
        return self.of_age(above) + self.of_kind(kind)


def test_an_embedding_of_thresholds_is_steps_beside_categories():
    age = np.random.default_rng(0).integers(0, 99, (300, 1)).astype(np.float32)
    rows = {"age": age, "kind": np.arange(300) % 3}
    planned = plan(Thresholds(), rows)
    assert planned.circuit.lookups == 0
    assert isinstance(planned.features[0], CurvesEncoder)
    edges = {"age": np.array([[20.0], [20.01], [40.0], [40.01], [60.0], [60.01]]), "kind": np.arange(6) % 3}
    with torch.no_grad():
        right = Thresholds()(torch.tensor(edges["age"]), torch.tensor(edges["kind"])).numpy()
    np.testing.assert_allclose(answers(planned, edges), right, atol=0.02)


def test_bits_of_categories_have_no_error_of_a_curve():
    """It had been read behind the end of the array of errors: mostly zeros, now and then anything."""
    age = np.random.default_rng(0).integers(0, 99, (300, 1)).astype(np.float32)
    _, segments, numbers = import_network(Thresholds(), {"age": age, "kind": np.arange(300) % 3})
    behind = behind_functions(segments, numbers, scheme=BOOTSTRAPPED)
    weights = np.abs(behind.network.matrix.toarray())
    assert weights[:, len(behind.columns) :].any()
    errors = [each.curve.error if each.curve else 0.0 for each in behind.columns]
    assert 0 < behind.error() == pytest.approx((weights[:, : len(errors)] @ errors).max())
    with pytest.raises(InternalError, match=r"a matrix reads variable \d of 2"):
        widened(behind.network.matrix, 2)


def test_what_bends_too_often_or_in_too_many_ways_is_looked_up():
    class Many(nn.Module):
        def __init__(self, count, factor):
            super().__init__()
            self.count, self.factor = count, factor

        def forward(self, rows):
            steps = torch.relu(rows[:, :1] - torch.linspace(1, 9, self.count))
            return torch.cat([steps.sum(dim=1, keepdim=True), torch.sin(self.factor * rows[:, 1:2])], dim=1)

    assert plan(Many(3, 1.0), ROWS).circuit.lookups == 0
    assert plan(Many(3, 3e4), ROWS, CompileSettings(bits=6)).circuit.lookups == 1
    assert plan(Many(65, 1.0), ROWS).circuit.lookups == 65


def test_a_convolution_stays_one_though_its_corners_read_one_pixel():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(1, 2, 2, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(32, 1))
    pixels = np.random.default_rng(0).uniform(0, 1, (200, 1, 3, 3)).astype(np.float32)
    planned = plan(module, pixels, CompileSettings(scheme="bootstrapped"))
    assert [type(each) for each in planned.features] == [AffineEncoder] * 9


def test_a_tolerance_that_curves_cannot_keep_is_refused():
    with pytest.raises(ct.UnsupportedModelError, match="functions of single features to within"):
        plan(Functions(), ROWS, CompileSettings(tolerance=1e-7))


@pytest.mark.encrypted
def test_encrypted_is_as_in_the_clear():
    model = ct.compile(Functions(2), ROWS, labels=["no", "yes"], bits=5, show_progress=False)
    assert model.circuit.lookups == 2
    assert "functions of single features that the model begins with" in model.explain().client_learns
    assert model.predict(ROWS[:3], mode="encrypted").tolist() == model.predict(ROWS[:3]).tolist()


def test_lines_are_kept_to_their_ends():
    x = np.linspace(0, 10, 101)
    y = np.where(x < 5, x, 10 - x)
    assert x[straightened(x, y, 1e-9)].tolist() == [0.0, 5.0, 10.0]
    curve = np.sin(x)
    kept = straightened(x, curve, 0.01)
    assert np.abs(np.interp(x, x[kept], curve[kept]) - curve).max() <= 0.01 + 1e-12
