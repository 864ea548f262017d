"""compile(readout="approximate"): cheaper, as noisy as it says, and exact in the clear."""

import cryptable as ct
import numpy as np
import pytest
from cryptable_engine.circuit.readout import noise_bound
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import Ridge
from xgboost import XGBClassifier

X, Y = load_breast_cancer(return_X_y=True)


@pytest.fixture(scope="module")
def estimator():
    return XGBClassifier(n_estimators=10, max_depth=3, random_state=0).fit(X[:400], Y[:400])


@pytest.fixture(scope="module")
def model(estimator):
    return ct.compile(estimator, X[:400], readout="approximate", show_progress=False)


@pytest.mark.encrypted
def test_it_is_cheaper_and_as_noisy_as_it_says(estimator, model, tmp_path):
    exact = ct.compile(estimator, X[:400], scheme="bootstrapped", show_progress=False).explain()
    facts = model.explain()
    assert facts.lookups == exact.lookups
    assert facts.price < 0.75 * exact.price
    assert facts.bytes.output_row < exact.bytes.output_row
    assert exact.score_noise == exact.score_noise_bound == 0.0
    assert 0 < 3 * facts.score_noise <= 0.05
    assert facts.score_error_bound > facts.score_noise_bound > 7 * facts.score_noise
    assert "standard deviation" in str(facts)
    report = model.check(X[400:], Y[400:], encrypted_rows=3)
    assert report.passed
    assert report["clear"].largest_difference <= facts.score_error_bound
    assert "but for noise" in str(report)
    model.save(tmp_path / "approximate.cryptable")
    loaded = ct.load(tmp_path / "approximate.cryptable")
    assert (loaded.decision_function(X[400:]) == model.decision_function(X[400:])).all()
    assert loaded.explain().score_noise == facts.score_noise


def test_simulated_scores_have_the_noise(model):
    facts, rows = model.explain(), np.tile(X[400:], (20, 1))
    noise = model.decision_function(rows, mode="simulate") - model.decision_function(rows)
    steps = np.rint(noise / facts.score_step)
    assert np.abs(steps).max() <= noise_bound(model.artifact.client_spec.decoder.further_bits)
    # A score is rounded to a step of some three deviations, with the noise: it moves by a step, at times.
    assert facts.score_noise / 2 < noise.std() < 3 * facts.score_noise


def test_without_lookups_scores_stay_exact():
    model = ct.compile(Ridge().fit(X, Y), X, readout="approximate", show_progress=False)
    assert model.circuit.exact_output_bits is None
    assert model.explain().score_noise == 0.0


def test_another_readout_is_refused(estimator):
    with pytest.raises(ct.InvalidInputError, match=r"'rough', expected 'exact' or 'approximate'"):
        ct.compile(estimator, X, readout="rough")
