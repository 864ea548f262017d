"""Meta-estimators: scikit-learn's own checks, searches over quantization options, copies and pickles."""

import pickle

import cryptable as ct
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils.estimator_checks import parametrize_with_checks

CANCER = load_breast_cancer(return_X_y=True)
CANCER = (CANCER[0][:, :6], CANCER[1])
DIABETES = load_diabetes(return_X_y=True)


@parametrize_with_checks(
    [
        ct.EncryptedClassifier(LogisticRegression()),
        ct.EncryptedClassifier(DecisionTreeClassifier(max_depth=4, random_state=0)),
        ct.EncryptedRegressor(Ridge()),
        ct.EncryptedRegressor(make_pipeline(StandardScaler(), Ridge())),
    ]
)
@pytest.mark.filterwarnings("ignore")
def test_checks_of_scikit_learn(estimator, check):
    check(estimator)


def test_a_search_over_options_and_over_the_estimator_inside():
    search = GridSearchCV(
        ct.EncryptedClassifier(DecisionTreeClassifier(random_state=0)),
        {"tolerance": [0.01, 0.4], "estimator__max_depth": [1, 3]},
        cv=2,
    ).fit(*CANCER)
    assert search.best_score_ > 0.85
    assert search.best_params_["estimator__max_depth"] in (1, 3)
    assert len(search.cv_results_["params"]) == 4
    assert isinstance(search.best_estimator_, ct.EncryptedClassifier)


def test_the_score_is_the_quantized_models():
    fine, coarse = (ct.EncryptedRegressor(LinearRegression(), tolerance=each).fit(*DIABETES) for each in (1.0, 500.0))
    exact = LinearRegression().fit(*DIABETES).score(*DIABETES)
    assert abs(fine.score(*DIABETES) - exact) < 0.01
    assert coarse.score(*DIABETES) < exact - 0.05


@pytest.mark.parametrize(("hide_weights", "scheme"), [(None, "levelled"), (True, "levelled"), (False, "bootstrapped")])
def test_weights_are_hidden_as_asked_for(hide_weights, scheme):
    inside = make_pipeline(StandardScaler(), LogisticRegression())
    estimator = ct.EncryptedClassifier(inside).set_params(hide_weights=hide_weights).fit(*CANCER)
    assert estimator.compiled_.artifact.client_spec.scheme == scheme
    assert estimator.score(*CANCER) > 0.85


def test_cross_validation_around_and_inside_a_pipeline():
    around = ct.EncryptedClassifier(make_pipeline(StandardScaler(), LogisticRegression()))
    inside = make_pipeline(StandardScaler(), ct.EncryptedClassifier(LogisticRegression()))
    plain = make_pipeline(StandardScaler(), LogisticRegression())
    expected = cross_val_score(plain, *CANCER, cv=3)
    for estimator in (around, inside):
        assert np.abs(cross_val_score(estimator, *CANCER, cv=3) - expected).max() < 0.02


def test_clones_and_parameters():
    estimator = ct.EncryptedClassifier(RandomForestClassifier(max_depth=2), table_bits=4)
    copy = clone(estimator).set_params(estimator__max_depth=3, mode="simulate")
    assert copy.get_params()["estimator__max_depth"] == 3
    assert copy.table_bits == 4
    assert copy.mode == "simulate"
    assert estimator.get_params()["estimator__max_depth"] == 2
    assert estimator.mode == "clear"


def test_pickles_of_unfitted_and_fitted():
    unfitted = pickle.loads(pickle.dumps(ct.EncryptedClassifier(DecisionTreeClassifier(max_depth=3, random_state=0))))
    fitted = unfitted.fit(*CANCER)
    fitted.compiled_  # noqa: B018  (so that there is a program to leave out)
    copy = pickle.loads(pickle.dumps(fitted))
    assert "_compiled" in vars(copy)
    assert vars(copy)["_compiled"] is None
    assert (copy.predict_proba(CANCER[0]) == fitted.predict_proba(CANCER[0])).all()


@pytest.mark.encrypted
def test_encrypted_mode_is_clear_mode_bit_for_bit_and_a_pickle_has_no_key():
    tree = DecisionTreeClassifier(max_depth=2, random_state=0)
    estimator = ct.EncryptedClassifier(tree, mode="encrypted").fit(*CANCER)
    labels = estimator.predict(CANCER[0][:1])
    clear = clone(estimator).set_params(mode="clear").fit(*CANCER)
    assert labels.tolist() == clear.predict(CANCER[0][:1]).tolist()
    assert estimator.compiled_.check(CANCER[0][:5], encrypted_rows=0).results
    assert b"SecretKeys" not in pickle.dumps(estimator)
    assert len(pickle.dumps(estimator)) < 200_000


def test_probabilities_of_several_classes_add_up():
    rows = np.random.default_rng(0).normal(size=(200, 3))
    classes = np.array(["a", "b", "c"])[rows.argmax(axis=1)]
    estimator = ct.EncryptedClassifier(DecisionTreeClassifier(max_depth=4, random_state=0)).fit(rows, classes)
    assert np.allclose(estimator.predict_proba(rows).sum(axis=1), 1)
    assert set(estimator.predict(rows)) == {"a", "b", "c"}


def test_methods_are_there_where_the_estimator_inside_has_them():
    assert not hasattr(ct.EncryptedClassifier(DecisionTreeClassifier()), "decision_function")
    assert hasattr(ct.EncryptedClassifier(GradientBoostingClassifier()), "decision_function")


def test_a_constant_model_predicts_but_has_nothing_to_encrypt():
    rows = np.zeros((10, 2))
    estimator = ct.EncryptedRegressor(DecisionTreeRegressor()).fit(rows, np.full(10, 7.0))
    assert estimator.predict(rows).tolist() == [7.0] * 10
    with pytest.raises(ct.ConstantModelError, match="same scores for every input"):
        estimator.compiled_  # noqa: B018


def test_an_unknown_mode_is_refused():
    with pytest.raises(ct.InvalidInputError, match="mode is 'secret', expected one of 'clear'"):
        ct.EncryptedClassifier(DecisionTreeClassifier(), mode="secret").fit(*CANCER)
