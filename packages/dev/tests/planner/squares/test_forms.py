"""Quadratic forms for the scheme squares: quadratic discriminant analysis, kernel machines of degree 2."""

import cryptable as ct
import numpy as np
import pytest
from cryptable.graphs.quadratic_forms import QuadraticForms
from cryptable.planner.squares.forms import squares_of
from cryptable_protocol import Link
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR


def graph_of(random, features, outputs, *, definite=False):
    halves = random.normal(size=(outputs, features, 2))
    signs = 1 if definite else random.choice([-1, 1], (outputs, 1, 2))
    return QuadraticForms(
        tuple(map(str, range(features))),
        random.normal(size=features),
        (halves * signs) @ halves.transpose(0, 2, 1),
        random.normal(size=(features, outputs)) * random.choice([0, 1, 30]),
        random.normal(size=outputs),
        Link.IDENTITY,
        None,
    )


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 3))
def test_squares_are_the_forms_and_so_are_forms_around_another_centre(seed, features, outputs):
    random = np.random.default_rng(seed)
    graph = graph_of(random, features, outputs)
    rows = random.normal(size=(50, features)) * 10.0 ** random.integers(-3, 4, features)
    wanted = graph.scores(rows)
    scale = np.abs(wanted).max()
    np.testing.assert_allclose(graph.moved(rows[0]).scores(rows), wanted, atol=1e-9 * scale)
    # What is left out of each output is a 10^-5th of its largest part at most, times the number of eigenvectors.
    np.testing.assert_allclose(squares_of(graph, rows).scores(rows), wanted, atol=1e-3 * scale)


def agree(model, estimator, rows):
    own = estimator.decision_function(rows)
    assert model.explain().agreement.rms < 0.02
    assert np.sqrt(np.square(model.decision_function(rows) - own).mean()) < 0.02 * own.std()
    assert (model.predict(rows) == estimator.predict(rows)).mean() > 0.98


def test_quadratic_discriminants_of_three_classes_take_the_scheme_that_is_able():
    X, y = load_wine(return_X_y=True)
    estimator = QuadraticDiscriminantAnalysis(reg_param=0.1).fit(X, y)
    model = ct.compile(estimator, X, show_progress=False)
    assert model.artifact.client_spec.scheme == "squares"
    agree(model, estimator, X)
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1)
    with pytest.raises(ct.UnsupportedModelError, match=r"'levelled' does not evaluate a model of quadratic forms"):
        ct.compile(estimator, X, scheme="levelled")


@pytest.mark.encrypted
def test_quadratic_discriminants_of_two_classes_on_encrypted_rows_behind_steps():
    X, y = load_breast_cancer(return_X_y=True)
    estimator = make_pipeline(StandardScaler(), PCA(6), QuadraticDiscriminantAnalysis()).fit(X, y)
    model = ct.compile(estimator, X, show_progress=False)
    agree(model, estimator, X)
    np.testing.assert_array_equal(model.predict(X[:2], mode="encrypted"), model.predict(X[:2]))


def test_a_machine_of_degree_2_is_one_form_however_many_vectors_it_has():
    X, y = load_breast_cancer(return_X_y=True)
    estimator = make_pipeline(StandardScaler(), SVC(kernel="poly", degree=2, coef0=1)).fit(X, y)
    model = ct.compile(estimator, X, scheme="squares", show_progress=False)
    assert model.circuit.squares <= X.shape[1] + 2 < len(estimator[-1].support_vectors_)
    agree(model, estimator, X)


def test_other_kernels_are_refused_with_what_to_fit():
    X, y = load_diabetes(return_X_y=True)
    for kernel in ({"kernel": "rbf"}, {"kernel": "poly", "degree": 3}, {"kernel": "sigmoid"}):
        with pytest.raises(ct.UnsupportedModelError, match="fit with kernel='poly', degree=2"):
            ct.compile(SVR(**kernel).fit(X, y), X, scheme="squares")
