"""CompiledModel: simulated and encrypted evaluation equal the clear one; check reports what it measured."""

import cryptable as ct
import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from xgboost import XGBClassifier

X, Y = load_breast_cancer(return_X_y=True)
IRIS, SPECIES = load_iris(return_X_y=True)


@pytest.fixture(scope="module")
def boosted():
    return ct.compile(XGBClassifier(n_estimators=4, max_depth=3).fit(X, Y), X, name="boosted")


@pytest.fixture(scope="module")
def linear():
    return ct.compile(LogisticRegression(max_iter=500).fit(IRIS, SPECIES), IRIS)


@pytest.mark.encrypted
def test_check_measures_what_explain_predicts(boosted):
    report = boosted.check(X[:50], Y[:50], encrypted_rows=2)
    predicted = boosted.explain().to_dict()
    assert report.passed
    assert [result.rows for result in report.results] == [50, 50, 50, 2]
    assert report["encrypted"].equal_to_clear is report["simulate"].equal_to_clear is True
    assert report["float"].agreement == report["clear"].agreement == 1.0
    assert report["clear"].largest_difference <= boosted.error_bound + 1e-5
    assert report["clear"].score == pytest.approx(report["float"].score)
    assert report.to_dict()["bytes"] == predicted["bytes"]
    assert 0 < report.cpu_seconds < 10 * predicted["cpu_seconds_predicted"] + 1
    assert "bit for bit" in str(report)


@pytest.mark.encrypted
def test_encrypted_equals_clear_without_lookups(linear):
    rows = IRIS[::30]
    assert linear.circuit.lookups == 0
    assert (linear.decision_function(rows, mode="encrypted") == linear.decision_function(rows)).all()
    assert (linear.predict(rows, mode="encrypted") == linear.predict(rows)).all()


@pytest.mark.encrypted
def test_encrypted_equals_clear_for_a_multiclass_forest():
    estimator = RandomForestClassifier(n_estimators=3, max_depth=3, random_state=0).fit(IRIS, SPECIES)
    model = ct.compile(estimator, IRIS, scheme="bootstrapped")
    rows = IRIS[::60]
    assert model.circuit.lookups > 0
    assert (model.predict_proba(rows, mode="encrypted") == model.predict_proba(rows)).all()


@pytest.mark.encrypted
def test_a_loaded_model_says_that_it_has_no_float_model(boosted, tmp_path):
    boosted.save(tmp_path / "boosted.cryptable")
    report = ct.load(tmp_path / "boosted.cryptable").check(X[:5], encrypted_rows=1)
    assert report.passed
    assert "no float model" in report.reference
    with pytest.raises(KeyError, match="float"):
        report["float"]


def test_simulation_equals_clear(linear):
    assert (linear.decision_function(IRIS[:5], mode="simulate") == linear.decision_function(IRIS[:5])).all()


def test_check_refuses_what_does_not_fit(boosted):
    with pytest.raises(ct.InvalidInputError, match="no rows"):
        boosted.check(X[:0])
    with pytest.raises(ct.InvalidInputError, match="y has 3 rows, X has 5"):
        boosted.check(X[:5], Y[:3])


def test_a_file_that_is_no_artifact_is_refused(tmp_path):
    path = tmp_path / "model.cryptable"
    path.write_bytes(b"something else")
    with pytest.raises(ct.MalformedMessageError):
        ct.load(path)


def test_regressions_have_no_probabilities():
    from sklearn.linear_model import LinearRegression

    model = ct.compile(LinearRegression().fit(IRIS[:, :3], IRIS[:, 3]), IRIS[:, :3])
    with pytest.raises(ct.InvalidInputError, match="no probabilities"):
        model.predict_proba(IRIS[:, :3])
    assert np.abs(model.predict(IRIS[:, :3]) - IRIS[:, 3]).mean() < 0.3
