"""Numbers far from zero, targets that hardly vary, few rows: right, or refused with advice."""

from __future__ import annotations

import cryptable as ct
import numpy as np
import pytest
from cryptable.importers.imported_model import import_model
from sklearn.cross_decomposition import CCA, PLSRegression
from sklearn.datasets import load_digits, load_iris
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

X, Y = load_iris(return_X_y=True)
FAR = X + np.array([1e8, 0, 0, 0])


@pytest.mark.parametrize("model", [PLSRegression(), CCA(n_components=1)], ids=["pls", "cca"])
@pytest.mark.parametrize("unit", [1.0, 1e4])
def test_affine_models_of_columns_far_from_zero(model, unit):
    rows = FAR * np.array([unit, 1, 1, 1])
    graph = import_model(model.fit(rows, Y), rows).graph
    assert np.abs(graph.scores(rows)[:, 0] - model.predict(rows).ravel()).max() < 1e-4


@pytest.mark.parametrize("truth", [Y, Y == 2], ids=["three", "two"])
def test_nearest_centroids_of_columns_far_from_zero(truth):
    """scikit-learn's own squares lose their digits there, and its labels are not those of the nearest centroid."""
    with pytest.raises(
        ct.UnsupportedModelError, match=r"column 'x0', near 1e\+08, is so far from zero.*StandardScaler"
    ):
        import_model(NearestCentroid().fit(FAR, truth), FAR)
    model = make_pipeline(StandardScaler(), NearestCentroid()).fit(FAR, truth)
    compiled = ct.compile(model, FAR, show_progress=False)
    assert np.mean(compiled.predict(FAR) == model.predict(FAR)) >= 0.99


@pytest.mark.parametrize("model", [LinearRegression(), DecisionTreeRegressor(max_depth=3)], ids=["linear", "tree"])
def test_targets_that_doubles_hardly_tell_apart(model):
    with pytest.raises(
        ct.UnsupportedModelError, match=r"differ by .*e-0[67] at most, around 1e\+06.*subtract the mean"
    ):
        ct.compile(model.fit(X, 1e6 + 1e-7 * X[:, 0]), X)


def test_targets_that_doubles_hardly_hold():
    model = DecisionTreeRegressor(max_depth=3).fit(X, 1e300 * X[:, 0])
    with pytest.raises(ct.UnsupportedModelError, match=r"near the end of doubles.*larger unit"):
        ct.compile(model, X)


@pytest.mark.parametrize("scheme", ["levelled", "bootstrapped"])
def test_constant_targets(scheme):
    targets = np.full(150, 3.3)
    targets[0] += 1e-15
    with pytest.raises(ct.ConstantModelError, match=r"same scores"):
        ct.compile(HistGradientBoostingRegressor(max_iter=3).fit(X, targets), X, scheme=scheme)


def test_ranges_of_few_rows_are_warned_of():
    model = LogisticRegression(max_iter=1000).fit(X, Y)
    with pytest.warns(ct.CalibrationWarning, match=r"X_train has 15 rows.*take their ranges"):
        ct.compile(model, X[::10], show_progress=False)
    ct.compile(model, X[::5], show_progress=False)
    ct.compile(DecisionTreeRegressor(max_depth=2).fit(X, Y), X[::10], show_progress=False)


def test_features_that_hardly_vary_within_a_class_are_warned_of():
    rows, digits = load_digits(return_X_y=True)
    with pytest.warns(ct.AgreementWarning, match=r"of the labels are the model's own.*larger var_smoothing="):
        ct.compile(GaussianNB().fit(rows, digits), rows, show_progress=False)
    smooth = GaussianNB(var_smoothing=1e-3).fit(rows, digits)
    assert (ct.compile(smooth, rows, show_progress=False).predict(rows) == smooth.predict(rows)).mean() > 0.995
