"""XGBoost's own corners: float32 ties, base score, early stopping, settings that cannot be taken."""

import cryptable as ct
import numpy as np
import pytest
from cryptable.importers import import_estimator
from sklearn.datasets import load_breast_cancer
from xgboost import XGBClassifier, XGBRegressor

X, Y = load_breast_cancer(return_X_y=True)
NAMES = tuple(f"x{index}" for index in range(X.shape[1]))


def graph_of(estimator):
    return import_estimator(estimator, NAMES)


def test_rows_on_the_threshold_fall_as_xgboost_has_them_fall():
    estimator = XGBClassifier(n_estimators=10, max_depth=3).fit(X, Y)
    graph = graph_of(estimator)
    edges = [(int(f), e) for tree in graph.trees for f, e in zip(tree.feature, tree.edge, strict=True) if f >= 0]
    rows = np.repeat(X[:1], 3 * len(edges), axis=0)
    for index, (feature, edge) in enumerate(edges):
        below, above = (np.nextafter(np.float32(edge), np.float32(way)) for way in (-np.inf, np.inf))
        rows[3 * index : 3 * index + 3, feature] = below, edge, above
    own = estimator.predict(rows, output_margin=True)
    assert np.abs(graph.scores(rows)[:, 0] - own).max() < 1e-5


def test_doubles_that_round_onto_a_threshold_fall_as_xgboost_has_them_fall():
    rows = np.array([[0.1], [0.3]] * 20)
    estimator = XGBRegressor(n_estimators=1).fit(rows, rows[:, 0] > 0.2)
    graph = import_estimator(estimator, ("x0",))
    edge = float(graph.trees[0].edge[0])
    close = edge * (1 + np.array([-1, 1]) * np.array([2.0**-30, 2.0**-30]))[:, None]
    assert np.allclose(graph.scores(close)[:, 0], estimator.predict(close, output_margin=True))


@pytest.mark.parametrize("base_score", [0.1, 0.5, 0.9])
def test_base_score_is_taken(base_score):
    estimator = XGBClassifier(n_estimators=3, max_depth=2, base_score=base_score).fit(X, Y)
    assert np.abs(graph_of(estimator).scores(X)[:, 0] - estimator.predict(X, output_margin=True)).max() < 1e-5


def test_trees_after_the_best_iteration_are_left_out():
    estimator = XGBClassifier(n_estimators=200, max_depth=3, early_stopping_rounds=3, learning_rate=0.9)
    estimator.fit(X[:300], Y[:300], eval_set=[(X[300:], Y[300:])], verbose=False)
    graph = graph_of(estimator)
    assert len(graph.trees) == estimator.best_iteration + 1 < estimator.get_booster().num_boosted_rounds()
    assert np.abs(graph.scores(X)[:, 0] - estimator.predict(X, output_margin=True)).max() < 1e-5


def test_dart_is_taken():
    estimator = XGBClassifier(n_estimators=8, max_depth=2, booster="dart", rate_drop=0.5, random_state=0).fit(X, Y)
    assert np.abs(graph_of(estimator).scores(X)[:, 0] - estimator.predict(X, output_margin=True)).max() < 1e-5


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"booster": "gblinear"}, "gblinear"),
        ({"objective": "survival:cox"}, "survival:cox"),
    ],
)
def test_settings_that_cannot_be_taken_are_named(settings, message):
    estimator = XGBRegressor(n_estimators=2, **settings).fit(X, Y)
    with pytest.raises(ct.UnsupportedModelError, match=message):
        ct.compile(estimator, X)
