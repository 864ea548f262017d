"""Quadratic forms for the scheme squares: quadratic discriminant analysis, kernel machines of degree 2."""

import cryptable as ct
import numpy as np
import pytest
from cryptable.graphs.quadratic_forms import QuadraticForms
from cryptable.planner.squares.forms import squares_of
from cryptable_protocol import Link
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.covariance import EllipticEnvelope
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


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_no_row_outside_of_the_box_has_a_positive_score_and_rows_at_its_ends_have_none_left(seed, features):
    random = np.random.default_rng(seed)
    root = random.normal(size=(features, features)) + np.eye(features)
    forms = -(root @ root.T + 0.1 * np.eye(features))[None]
    # A feature more, which is not read.
    forms = np.pad(forms, ((0, 0), (0, 1), (0, 1)))
    linear = np.append(random.normal(size=features) * 3, 0.0)[:, None]
    graph = QuadraticForms(tuple("abcde"[: features + 1]), random.normal(size=features + 1), forms, linear,
                           random.normal(size=1) + 1, Link.MARGIN, (-1, 1))  # fmt: skip
    box = graph.positive_box()
    middle = graph.centre[:features] - np.linalg.solve(2 * forms[0, :features, :features], linear[:features, 0])
    top = graph.scores(np.append(middle, 0.0)[None])[0, 0]
    assert (box is None) == (top <= 0)
    if box is None:
        return
    lower, upper = box
    rows = middle + random.normal(size=(300, features)) * (upper - lower)[:features]
    scores = graph.scores(np.pad(rows, ((0, 0), (0, 1))))[:, 0]
    outside = ((rows < lower[:features]) | (rows > upper[:features])).any(axis=1)
    assert (scores[outside] <= 1e-9 * top).all()
    for feature in range(features):  # the end is reached: by the row that the other features are best for
        inverse = np.linalg.inv(-forms[0, :features, :features])
        at_end = middle + inverse[feature] * np.sqrt(top / inverse[feature, feature])
        assert at_end[feature] == pytest.approx(upper[feature])
        assert graph.scores(np.append(at_end, 0.0)[None])[0, 0] == pytest.approx(0, abs=1e-6 * top)


def test_no_box_where_positive_scores_have_no_end():
    two = QuadraticForms(("a",), np.zeros(1), -np.ones((2, 1, 1)), np.zeros((1, 2)), np.ones(2), Link.SOFTMAX, (0, 1))
    saddle = QuadraticForms(("a", "b"), np.zeros(2), np.diag([-1.0, 1.0])[None], np.zeros((2, 1)), np.ones(1),
                            Link.MARGIN, (-1, 1))  # fmt: skip
    assert two.positive_box() is saddle.positive_box() is None


@pytest.fixture(scope="module")
def envelope():
    """Of correlated columns, one of which is constant; fitted on rows that end before the ellipsoid does."""
    random = np.random.default_rng(0)
    rows = random.uniform(-1, 1, (300, 4)) @ random.normal(size=(4, 4)) * [1, 10, 0.1, 0] + [5, 0, 0, 2]
    estimator = EllipticEnvelope(contamination=0.02, random_state=0).fit(rows)
    return estimator, rows, ct.compile(estimator, rows, show_progress=False)


def test_an_envelope_predicts_scores_and_samples(envelope):
    estimator, rows, model = envelope
    assert model.artifact.client_spec.scheme == "squares"
    agree(model, estimator, rows)
    samples = model.decision_function(rows) + estimator.offset_
    assert np.corrcoef(samples, estimator.score_samples(rows))[0, 1] > 0.999
    assert set(model.predict(rows).tolist()) == {-1, 1}
    bare = EllipticEnvelope(store_precision=False, contamination=0.02, random_state=0).fit(rows)
    np.testing.assert_array_equal(
        ct.compile(bare, rows, show_progress=False).decision_function(rows), model.decision_function(rows)
    )


def test_rows_unlike_all_calibration_data_are_outliers_however_far(envelope):
    estimator, rows, model = envelope
    random = np.random.default_rng(1)
    spread = np.ptp(rows, axis=0)
    for times in (0.6, 1.0, 3.0, 1e6):
        far = rows.mean(axis=0) + random.normal(size=(500, 4)) * spread * times
        far[:, 3] = 2.0
        assert (model.predict(far) == estimator.predict(far)).mean() > 0.99
    along = np.repeat(estimator.location_[None], 6, axis=0)
    along[np.arange(6), [0, 1, 2, 0, 1, 2]] += np.repeat([1e9, -1e9], 3)
    assert (model.predict(along) == -1).all()


@pytest.mark.encrypted
def test_an_envelope_behind_a_scaler_on_encrypted_rows(envelope):
    _, rows, _ = envelope
    pipeline = make_pipeline(StandardScaler(), EllipticEnvelope(random_state=0)).fit(rows[:, :3])
    model = ct.compile(pipeline, rows[:, :3], show_progress=False)
    agree(model, pipeline, rows[:, :3])
    assert (model.predict(rows[:1, :3] + 1e6) == -1).all()
    np.testing.assert_array_equal(model.predict(rows[:2, :3], mode="encrypted"), model.predict(rows[:2, :3]))


def test_other_kernels_are_refused_with_what_to_fit():
    X, y = load_diabetes(return_X_y=True)
    for kernel in ({"kernel": "rbf"}, {"kernel": "poly", "degree": 3}, {"kernel": "sigmoid"}):
        with pytest.raises(ct.UnsupportedModelError, match="fit with kernel='poly', degree=2"):
            ct.compile(SVR(**kernel).fit(X, y), X, scheme="squares")
