"""scheme="auto" of networks and kernel machines: whichever scheme takes the fewest seconds, of those near the model."""

import cryptable as ct
import numpy as np
import pytest
import torch
from cryptable.compiling.cheapest import cheapest
from cryptable.compiling.plan import plan
from cryptable.compiling.settings import CompileSettings
from cryptable.cost.rates import machine_rates
from cryptable.errors import UnsupportedModelError
from cryptable.planner.planned_model import SchemeOffer
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(200, 4))
LABELS = (X[:, 0] * X[:, 1] > 0).astype(int)
BOTH = tuple(CompileSettings(scheme=each) for each in ("levelled", "bootstrapped"))
WIDE = GENERATOR.normal(size=(200, 100))


class Network(torch.nn.Module):
    """One hidden layer, of squares."""

    def __init__(self, features, neurons):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.last = torch.nn.Linear(features, neurons), torch.nn.Linear(neurons, 2)

    def forward(self, rows):
        return self.last(self.first(rows) ** 2)


@pytest.fixture(scope="module")
def narrow():
    return MLPClassifier((5,), max_iter=2000, random_state=0).fit(X, LABELS)


def compiled(model, rows=X, **options):
    return ct.compile(model, rows, show_progress=False, **options)


def told(model):
    offers = model.explain().offers
    assert offers[0].scheme == model.artifact.client_spec.scheme
    able = [offer.seconds for offer in offers if offer.seconds is not None]
    assert able == sorted(able)
    return [offer.scheme for offer in offers]


def test_tables_turned_by_bits_win_where_neurons_read_few_numbers(narrow):
    model = compiled(narrow)
    assert told(model) == ["levelled", "bootstrapped"]
    facts = model.explain()
    assert "bootstrapped 0.0" in str(facts)
    levelled, bootstrapped = facts.to_dict()["offers"]
    assert levelled["rms"] < 0.05 < bootstrapped["rms"]
    assert levelled["seconds"] == pytest.approx(facts.cpu_seconds_predicted, rel=0.5)
    assert plan(narrow, X).offers == facts.offers


def test_lookups_win_where_few_neurons_read_many_numbers():
    model = compiled(MLPClassifier((1,), max_iter=3000, random_state=0).fit(WIDE, WIDE[:, 0] > 0), WIDE)
    assert told(model)[0] == "bootstrapped"
    facts = model.explain()
    assert facts.offers[0].seconds == pytest.approx(facts.cpu_seconds_predicted, rel=0.5)


@pytest.mark.parametrize("kind", ["network", "kernel machine"])
def test_squares_win_where_many_numbers_are_squared(kind):
    pytest.importorskip("tenseal")
    rows = WIDE[:, :30].astype(np.float32)
    model = Network(30, 16).eval()
    if kind == "kernel machine":
        model = SVC(kernel="poly", degree=2).fit(rows, rows[:, 0] * rows[:, 1] > 0)
    assert told(compiled(model, rows))[0] == "squares"


@pytest.mark.filterwarnings("ignore::cryptable.AgreementWarning")
def test_options_of_one_scheme_and_keys_leave_nothing_to_compare(narrow):
    keys = compiled(narrow, scheme="levelled")
    for options, scheme in (
        ({"bits": 4}, "bootstrapped"),
        ({"rounding": "exact"}, "bootstrapped"),
        ({"keys_of": keys}, "levelled"),
        ({"hide_weights": True}, "levelled"),
        ({"scheme": "levelled", "bits": 7}, "levelled"),
    ):
        model = compiled(narrow, **options)
        assert (model.artifact.client_spec.scheme, model.explain().offers) == (scheme, ())
    assert compiled(DecisionTreeClassifier(max_depth=2).fit(X, LABELS)).explain().offers == ()


def test_what_is_not_near_the_model_is_no_bargain(narrow):
    """With one bit a sum, lookups are cheap and say little; nothing keeps the other scheme from being taken then."""
    plans = {
        "levelled": plan(narrow, X, CompileSettings(scheme="levelled")),
        "bootstrapped": plan(narrow, X, CompileSettings(scheme="bootstrapped", bits=1)),
    }
    assert plans["bootstrapped"].agreement.rms > 0.15 > plans["levelled"].agreement.rms
    chosen = cheapest(BOTH, lambda each: plans[each.scheme], kept)
    assert [offer.scheme for offer in chosen.offers] == ["levelled", "bootstrapped"]


def test_the_next_is_taken_where_no_parameters_are_exact_enough(narrow):
    plans = {each.scheme: plan(narrow, X, each) for each in BOTH}

    def make(planned, settings):
        if settings.scheme == "levelled":
            raise UnsupportedModelError("noise")
        return planned

    chosen = cheapest(BOTH, lambda each: plans[each.scheme], make)
    assert [str(offer) for offer in chosen.offers[1:]] == ["levelled is not able (noise)"]
    with pytest.raises(UnsupportedModelError, match="too deep"):
        cheapest(BOTH, refused, kept)


def kept(planned, _):
    return planned


def refused(settings):
    raise UnsupportedModelError("too deep")


def test_an_offer_says_what_a_scheme_would_take():
    assert str(SchemeOffer("squares", 0.25, 0.0123)) == "squares 0.25 s, scores off by 0.012 of their deviation"
    assert str(SchemeOffer("squares", 0.25)) == "squares 0.25 s"


def test_the_pace_of_products_is_that_of_what_evaluates(monkeypatch):
    """Without the kernel products take several times as long, as lookups do; predictions say so."""
    model = compiled(DecisionTreeClassifier(max_depth=4, random_state=0).fit(X, LABELS))
    monkeypatch.setenv("CRYPTABLE_KERNEL", "off")
    assert machine_rates().levelled_pace == 1.0
    in_numpy = model.explain().cpu_seconds_predicted
    monkeypatch.setenv("CRYPTABLE_KERNEL", "")
    pace = machine_rates().levelled_pace
    assert 0.1 < pace <= 1.0
    assert model.explain().cpu_seconds_predicted == pytest.approx(in_numpy * pace)
