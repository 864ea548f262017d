"""compile(budget=): the best-scoring approximation of trees that costs no more, and what it gives up."""

import importlib
from dataclasses import replace

import cryptable as ct
import numpy as np
import pytest
import torch
from cryptable.graphs.graph import LEAF, Tree, TreeEnsemble
from cryptable.importers.calibration import MAX_ROWS
from cryptable.planner.approximation.prune import merge_edges, prune, refit
from cryptable_protocol import Link
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.linear_model import Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier, XGBRegressor

X, Y = load_breast_cancer(return_X_y=True)
compile_module = importlib.import_module("cryptable.compiling.compile")


@pytest.fixture(scope="module")
def classifier():
    return XGBClassifier(n_estimators=8, max_depth=3, random_state=0).fit(X[:400], Y[:400])


@pytest.mark.parametrize("most", [8, 3, 0])
def test_lookups_stay_within_the_budget_and_little_score_is_given_up(classifier, most):
    model = ct.compile(classifier, X[:400], budget=ct.Budget(max_lookups=most), show_progress=False)
    facts = model.explain()
    assert facts.lookups <= most
    assert model.given_up is facts.given_up
    assert 0 <= model.given_up.score < 0.1
    assert model.given_up.before == 1.0
    assert "accuracy against the model's own labels" in str(facts)
    assert facts.score_error_bound is None
    labels = model.predict(X[:400])
    assert model.given_up.after == pytest.approx(np.mean(labels == classifier.predict(X[:400])))


@pytest.mark.parametrize("scheme", ["levelled", "bootstrapped"])
def test_seconds_and_bytes_are_budgets_too(scheme):
    rows, target = load_diabetes(return_X_y=True)
    regressor = XGBRegressor(n_estimators=12, max_depth=3, random_state=0).fit(rows, target)
    whole = ct.compile(regressor, rows, scheme=scheme, show_progress=False).explain()
    budget = ct.Budget(seconds=0.6 * whole.cpu_seconds_predicted, upload_bytes=int(0.6 * whole.bytes.input_row))
    model = ct.compile(regressor, rows, scheme=scheme, budget=budget, y_train=target, show_progress=False)
    facts = model.explain()
    assert facts.cpu_seconds_predicted <= budget.seconds
    assert facts.bytes.input_row <= budget.upload_bytes
    assert model.given_up.measure == "R²"
    assert model.given_up.before == pytest.approx(regressor.score(rows, target))
    assert facts.to_dict()["given_up"]["score"] == pytest.approx(model.given_up.score)


def test_a_model_within_its_budget_is_left_alone(classifier):
    generous = ct.compile(classifier, X[:400], budget=ct.Budget(max_lookups=1000), show_progress=False)
    plain = ct.compile(classifier, X[:400], scheme="bootstrapped", show_progress=False)
    assert generous.given_up is None
    assert generous.circuit.to_bytes() == plain.circuit.to_bytes()
    assert generous.error_bound == plain.error_bound


def test_what_cannot_be_met_says_what_the_cheapest_costs(classifier):
    with pytest.raises(ct.BudgetError, match=r"within 20 bytes up: the cheapest that was found takes .* bytes up"):
        ct.compile(classifier, X[:400], budget=ct.Budget(upload_bytes=20), show_progress=False)


def network():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(X.shape[1], 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Ridge().fit(X, Y),
            "Ridge, a linear model: only models of trees are approximated. Leave it out; fewer f",
        ),
        (lambda: GaussianNB().fit(X, Y), "GaussianNB, a quadratic model: "),
        (lambda: KNeighborsClassifier(3).fit(X[:20], Y[:20]), "a model of nearest neighbours: .* fit on fewer"),
        (network, "a network of one hidden layer: .*fewer neurons"),
    ],
)
def test_what_no_budget_makes_cheaper_is_refused_before_anything_is_planned(make, message, monkeypatch):
    planned = []
    monkeypatch.setattr(compile_module, "plan_imported", lambda *given: planned.append(given))
    with pytest.raises(ct.BudgetError, match=message):
        ct.compile(make(), X, budget=ct.Budget(seconds=1e3), show_progress=False)
    assert not planned


def test_the_truth_of_more_rows_than_are_looked_at_is_taken(classifier):
    rows, truth = np.tile(X, (18, 1)), np.tile(Y, 18)
    assert len(rows) > MAX_ROWS
    model = ct.compile(classifier, rows, budget=ct.Budget(max_lookups=3), y_train=truth, show_progress=False)
    assert 0.9 < model.given_up.before <= 1


def test_budgets_that_cannot_be(classifier):
    with pytest.raises(ct.InvalidInputError, match="no limit"):
        ct.Budget()
    with pytest.raises(ct.InvalidInputError, match="seconds is -1"):
        ct.Budget(seconds=-1)
    with pytest.raises(ct.InvalidInputError, match="edges is 'quantile'"):
        ct.compile(classifier, X, budget=ct.Budget(max_lookups=1), edges="quantile", show_progress=False)
    with pytest.raises(ct.InvalidInputError, match=r"y_train has shape \(3,\), X_train has 569 rows"):
        ct.compile(classifier, X, budget=ct.Budget(max_lookups=1), y_train=Y[:3], show_progress=False)


def test_splits_that_only_pay_together_are_pruned_one_by_one():
    """x0 * x1 * x2 > 0: a split alone tells nothing, so a penalty prunes all or none; some trees between cost less."""
    rows = np.random.default_rng(0).normal(size=(200, 4))
    tree = DecisionTreeClassifier(max_depth=6, random_state=0).fit(rows, rows[:, :3].prod(axis=1) > 0)
    model = ct.compile(tree, rows, budget=ct.Budget(max_lookups=1), show_progress=False)
    assert model.explain().lookups <= 1
    assert 0.55 < model.given_up.after < 1


# -- the parts --------------------------------------------------------------------------------------------------------


def graph_of(*trees):
    return TreeEnsemble(("a", "b"), trees, np.zeros(1), Link.IDENTITY, None, as_float32=False)


def tree_of(feature, edge, left, right, values):
    columns = np.array(feature), np.array(edge, float), np.array(left), np.array(right)
    return Tree(*columns, np.array(values, float)[:, None])


STUMP = tree_of([0, LEAF, LEAF], [5.0, 0, 0], [1, 0, 0], [2, 0, 0], [0, 1, 3])
DEEP = tree_of([0, 1, LEAF, LEAF, LEAF], [5.0, 2.0, 0, 0, 0], [1, 2, 0, 0, 0], [4, 3, 0, 0, 0], [0, 0, 1.0, 1.5, 9])
ROWS = np.array([[a, b] for a in range(10) for b in range(4)], float)


def test_pruning_merges_leaves_whose_error_is_below_the_penalty():
    # Ten rows each at 1 and 1.5: merging adds 20 * 0.0625 = 1.25 and saves one leaf.
    assert (prune(graph_of(DEEP), ROWS, penalty=1.2).trees[0].feature != LEAF).sum() == 2
    pruned = prune(graph_of(DEEP), ROWS, penalty=1.3).trees[0]
    assert pruned.feature.tolist() == [0, LEAF, LEAF]
    assert pruned.values[1:, 0].tolist() == [1.25, 9.0]


def test_what_no_row_reaches_is_pruned_at_any_penalty():
    pruned = prune(graph_of(DEEP), ROWS[ROWS[:, 1] < 2], penalty=1e-12).trees[0]
    assert pruned.feature.tolist() == [0, LEAF, LEAF]


def test_leaves_are_fitted_to_the_scores():
    scores = np.where(ROWS[:, :1] >= 5, 7.0, 2.0)
    fitted = refit(graph_of(STUMP), ROWS, scores)
    assert np.allclose(fitted.scores(ROWS), scores, atol=1e-3)


def test_thresholds_with_few_rows_between_them_become_the_one_that_is_used_most():
    near = replace(STUMP, edge=np.array([6.0, 0, 0]))
    far = replace(STUMP, edge=np.array([9.0, 0, 0]))
    merged = merge_edges(graph_of(STUMP, near, near, far), ROWS, rows=4)
    assert [tree.edge[0] for tree in merged.trees] == [6.0, 6.0, 6.0, 9.0]
    assert merge_edges(graph_of(STUMP, near), ROWS, rows=0).trees[0].edge[0] == 5.0
