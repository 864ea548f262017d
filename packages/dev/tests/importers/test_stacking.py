"""Stacked regressors: weighted sums of members, where a linear model is at the end."""

import cryptable as ct
import numpy as np
import pytest
from cryptable.importers import import_estimator
from sklearn.datasets import load_diabetes
from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor, StackingRegressor
from sklearn.linear_model import PoissonRegressor, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

X, Y = load_diabetes(return_X_y=True)
NAMES = tuple(f"c{index}" for index in range(X.shape[1]))
FOREST = ("forest", RandomForestRegressor(4, max_depth=3, random_state=0))
BOOSTED = ("boosted", GradientBoostingRegressor(n_estimators=5, max_depth=2, random_state=0))
LINEAR = ("linear", make_pipeline(StandardScaler(), Ridge()))


@pytest.mark.parametrize("passthrough", [False, True])
@pytest.mark.parametrize("members", [[FOREST, BOOSTED], [FOREST, LINEAR], [LINEAR]], ids=["trees", "kinds", "linear"])
def test_scores_are_the_stacks_own(members, passthrough):
    stack = StackingRegressor(members, passthrough=passthrough, cv=2).fit(X, Y)
    graph = import_estimator(stack, NAMES, X, X)
    np.testing.assert_allclose(graph.scores(X)[:, 0], stack.predict(X), rtol=1e-9)


def test_a_dropped_member_is_none():
    stack = StackingRegressor([FOREST, BOOSTED], cv=2).set_params(boosted="drop").fit(X, Y)
    np.testing.assert_allclose(import_estimator(stack, NAMES, X, X).scores(X)[:, 0], stack.predict(X), rtol=1e-9)


def test_a_stack_of_several_kinds_is_compiled():
    stack = StackingRegressor([FOREST, LINEAR], cv=2).fit(X, Y)
    model = ct.compile(stack, X, show_progress=False)
    assert np.abs(model.predict(X) - stack.predict(X)).max() <= model.error_bound
    assert model.error_bound < 0.1 * Y.std()


@pytest.mark.parametrize(
    ("stack", "message"),
    [
        (StackingRegressor([FOREST], DecisionTreeRegressor(max_depth=2), cv=2), "only a linear model.*DecisionTree"),
        (StackingRegressor([FOREST, ("p", PoissonRegressor())], cv=2), "a member with the link exponential"),
    ],
)
def test_what_cannot_be_taken(stack, message):
    with pytest.raises(ct.UnsupportedModelError, match=message):
        import_estimator(stack.fit(X, Y), NAMES, X, X)
