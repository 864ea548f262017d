"""compile(hide_weights=...): linear models levelled, encrypted for real, and what is said of them."""

import cryptable as ct
import numpy as np
import pytest
from cryptable.errors import UnsupportedModelError
from cryptable_engine import CompilationError
from cryptable_protocol import InvalidInputError
from cryptable_protocol.schemes.levelled.linear_parameters import LinearParameters
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(200, 6))
LABELS = (X[:, 0] + X[:, 1] > 0).astype(int) + (X[:, 3] > 1)
LINEAR = LogisticRegression().fit(X, LABELS)


def hidden(estimator=LINEAR, **options):
    return ct.compile(estimator, X, hide_weights=True, show_progress=False, **options)


@pytest.mark.parametrize(
    "estimator",
    [LINEAR, GaussianNB().fit(X, LABELS), PoissonRegressor().fit(X, np.exp(X[:, 0]))],
    ids=["logistic", "naive_bayes", "poisson"],
)
def test_hidden_answers_are_exact(estimator, tmp_path):
    model = hidden(estimator)
    spec = model.artifact.client_spec
    assert isinstance(spec.parameters, LinearParameters)
    clear = model.predict(X[:4])
    for mode in ("simulate", "encrypted"):
        assert np.array_equal(model.predict(X[:4], mode=mode), clear)
    model.save(tmp_path / "model.cryptable")
    assert np.array_equal(ct.load(tmp_path / "model.cryptable").predict(X[:2], mode="encrypted"), clear[:2])


def test_thousands_of_scores_come_in_parts():
    """As a similarity search has them: the rows of a matrix, each a score."""
    vectors = GENERATOR.normal(size=(6, 400))
    model = hidden(LinearRegression(fit_intercept=False).fit(np.eye(6), vectors))
    parameters = model.artifact.client_spec.parameters
    assert parameters.parts > 1
    found = model.predict(X[:2], mode="encrypted")
    assert np.array_equal(found, model.predict(X[:2]))
    assert np.abs(found - X[:2] @ vectors).max() <= model.error_bound + 1e-9


def test_scores_are_within_the_bound():
    model = hidden(tolerance=0.01)
    assert np.abs(model.decision_function(X) - LINEAR.decision_function(X)).max() <= model.error_bound <= 0.01


def test_explain_says_what_is_hidden_and_what_scores_tell():
    facts = hidden().explain()
    told = " ".join(str(facts).replace("│", " ").split())
    for words in ("hidden: an answer is re-randomised", "asks 7 questions", "13.3 kB", "tells nothing of the weights"):
        assert words in told
    assert facts.to_dict()["linear"]["questions"] == 7
    assert facts.linear.log2_told <= -22
    facts.plot()


def test_hiding_is_the_default_and_sums_stay_available():
    assert isinstance(ct.compile(LINEAR, X, show_progress=False).artifact.client_spec.parameters, LinearParameters)
    model = ct.compile(LINEAR, X, hide_weights=False, show_progress=False)
    assert model.artifact.client_spec.scheme == "bootstrapped"
    assert "gives its weights away" in model.explain().client_learns


def test_trees_that_ask_one_feature_each_are_hidden_too():
    stumps = GradientBoostingRegressor(n_estimators=5, max_depth=1, random_state=0).fit(X, X[:, 0])
    sums = ct.compile(stumps, X, hide_weights=False, show_progress=False)
    assert sums.artifact.client_spec.scheme == "bootstrapped"
    model = ct.compile(stumps, X, show_progress=False)
    assert isinstance(model.artifact.client_spec.parameters, LinearParameters)
    assert np.array_equal(model.predict(X[:2], mode="encrypted"), model.predict(X[:2]))


def test_what_does_not_go_together_is_refused_by_name():
    neighbours = KNeighborsClassifier(1).fit(X[:8], LABELS[:8])
    with pytest.raises(UnsupportedModelError, match="no scheme that re-randomises"):
        hidden(neighbours)
    for options, match in (
        ({"explain": "contributions"}, "contributions tell"),
        ({"scheme": "bootstrapped"}, "is of scheme 'levelled'"),
        ({"table_bits": 4}, "is of scheme 'levelled'"),
    ):
        with pytest.raises(InvalidInputError, match=match):
            hidden(**options)
    with pytest.raises(InvalidInputError, match="always re-randomised"):
        ct.compile(LINEAR, X, scheme="levelled", hide_weights=False, show_progress=False)
    with pytest.raises(InvalidInputError, match="expected True, False or None"):
        ct.compile(LINEAR, X, hide_weights="yes", show_progress=False)


def test_keys_of_trees_do_not_serve_linear_models():
    trees = ct.compile(
        GradientBoostingRegressor(n_estimators=3, max_depth=2, random_state=0).fit(X, X[:, 0] * X[:, 1]),
        X,
        show_progress=False,
    )
    with pytest.raises(CompilationError, match="share keys with each other"):
        hidden(keys_of=trees)
    first = hidden()
    assert hidden(keys_of=first).artifact.client_spec.parameters.keyset == first.artifact.client_spec.parameters.keyset
