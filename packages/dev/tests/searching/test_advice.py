"""Advice: every figure is of a model that was really trained and planned."""

import cryptable as ct
import numpy as np
import pytest
from cryptable.compiling.plan import plan
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeClassifier

X, Y = load_breast_cancer(return_X_y=True)
X = X[:, :6]
DIABETES = load_diabetes(return_X_y=True)


def test_alternatives_of_a_tree_are_those_of_trees_trained_that_way():
    advice = ct.advise(DecisionTreeClassifier(max_depth=4, random_state=0), X, Y)
    by_options = {each.options: each for each in advice.alternatives}
    rows, test_rows, target, truth = train_test_split(X, Y, test_size=0.25, random_state=0, stratify=Y)
    for options, depth in (("as it is", 4), ("max_depth=3", 3)):
        estimator = DecisionTreeClassifier(max_depth=depth, random_state=0).fit(rows, target)
        planned = plan(estimator, rows)
        assert by_options[options].products == planned.circuit.products > 0
        assert by_options[options].score == pytest.approx(estimator.score(test_rows, truth))
    assert by_options["max_depth=3"].price < by_options["as it is"].price
    assert "ct.compile(edges='quantile', bins=16)" in by_options
    assert "max_depth=3" in str(advice)
    assert advice.to_dict()["alternatives"][0]["options"] == "as it is"


@pytest.mark.parametrize("scheme", ["auto", "bootstrapped"])
def test_without_interactions_nothing_is_looked_up_or_multiplied(scheme):
    estimator = HistGradientBoostingRegressor(max_iter=4, max_leaf_nodes=5)
    by_options = {each.options: each for each in ct.advise(estimator, *DIABETES, scheme=scheme).alternatives}
    own, alone = (by_options[options] for options in ("as it is", "interaction_cst='no_interactions'"))
    assert (own.lookups > 0, own.products > 0) == (scheme == "bootstrapped", scheme == "auto")
    assert (alone.lookups, alone.products) == (0, 0)
    assert alone.price < own.price


def test_options_of_every_library_are_taken():
    small = {"n_estimators": 3, "random_state": 0}
    xgboost, lightgbm, catboost = map(pytest.importorskip, ("xgboost", "lightgbm", "catboost"))
    for estimator, count in (
        (xgboost.XGBClassifier(max_depth=2, **small), 6),
        (lightgbm.LGBMClassifier(num_leaves=4, verbose=-1, n_jobs=1, **small), 6),
        (catboost.CatBoostClassifier(iterations=3, depth=2, verbose=0, allow_writing_files=False), 4),
    ):
        advice = ct.advise(estimator, np.asarray(X), Y)
        assert len(advice.alternatives) == count
        assert min(each.score for each in advice.alternatives) > 0.8


def test_a_class_without_advice_is_named():
    with pytest.raises(ct.InvalidInputError, match="no advice for LogisticRegression"):
        ct.advise(LogisticRegression(), X, Y)
