"""Nystroem and RBFSampler before linear models: kernel machines, by tables that bits turn."""

import cryptable as ct
import numpy as np
import pytest
from cryptable.graphs.kernels import KernelMachine
from cryptable.importers.registry import import_estimator
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.kernel_approximation import Nystroem, RBFSampler
from sklearn.linear_model import LogisticRegression, Ridge, SGDOneClassSVM
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

IRIS, DIABETES, CANCER = load_iris(return_X_y=True), load_diabetes(return_X_y=True), load_breast_cancer(return_X_y=True)


@pytest.mark.parametrize(
    ("steps", "model", "data"),
    [
        ([Nystroem(gamma=30.0, n_components=12, random_state=0)], Ridge(0.1), DIABETES),
        ([StandardScaler(), Nystroem(n_components=9, random_state=0), StandardScaler()], LogisticRegression(), IRIS),
        ([StandardScaler(), Nystroem("poly", n_components=9, random_state=0)], LogisticRegression(), IRIS),
        ([Nystroem("sigmoid", gamma=0.1, coef0=0.3, n_components=9, random_state=0)], LogisticRegression(), IRIS),
        ([StandardScaler(), RBFSampler(gamma=0.02, n_components=20, random_state=0)], LogisticRegression(), CANCER),
        ([StandardScaler(), RBFSampler(gamma="scale", n_components=9, random_state=0)], SGDOneClassSVM(), IRIS),
    ],
    ids=["alone", "between scalers", "polynomial", "sigmoid", "cosines", "one class"],
)
def test_machines_are_the_pipelines_own_scores(steps, model, data):
    X, y = data
    pipeline = make_pipeline(*steps, model).fit(X, y)
    names = tuple(f"c{index}" for index in range(X.shape[1]))
    graph = import_estimator(pipeline, names, X, X)
    assert isinstance(graph, KernelMachine)
    expected = pipeline.predict(X) if data is DIABETES else pipeline.decision_function(X)
    np.testing.assert_allclose(graph.scores(X), expected.reshape(len(X), -1), rtol=1e-7, atol=1e-7)


def test_a_pipeline_is_compiled_without_bootstrapping():
    X, y = CANCER
    steps = StandardScaler(), RBFSampler(gamma=0.02, n_components=20, random_state=0)
    pipeline = make_pipeline(*steps, LogisticRegression()).fit(X[:, :8], y)
    model = ct.compile(pipeline, X[:, :8], show_progress=False)
    assert model.artifact.client_spec.scheme == "levelled"
    assert (model.predict(X[:, :8]) == pipeline.predict(X[:, :8])).mean() >= 0.98


@pytest.mark.parametrize(
    ("step", "model", "message"),
    [
        (Nystroem("laplacian", n_components=9), LogisticRegression(), "Nystroem has the kernel 'laplacian'.*'rbf'"),
        (Nystroem(n_components=9), RandomForestClassifier(2), r"step 'nystroem' .*where a linear model follows"),
        (RBFSampler(n_components=9), RandomForestClassifier(2), r"step 'rbfsampler' .*where a linear model follows"),
    ],
)
def test_what_cannot_be_taken(step, model, message):
    pipeline = make_pipeline(step.set_params(random_state=0), model).fit(*IRIS)
    with pytest.raises(ct.UnsupportedModelError, match=message):
        import_estimator(pipeline, ("a", "b", "c", "d"), IRIS[0], IRIS[0])
