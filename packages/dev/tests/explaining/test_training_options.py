"""What models would cost if trained otherwise: the estimates are near what really training so leads to."""

import cryptable as ct
import numpy as np
import pytest
from cryptable.compiling.settings import CompileSettings
from cryptable.cost.prices import price_list
from cryptable.explaining import training_options
from cryptable.explaining.altered_trees import (
    depth_of,
    made_oblivious,
    most_leaves,
    with_fewer_edges,
    with_fewer_leaves,
    with_less_depth,
)
from cryptable.explaining.training_options import TrainingOptions
from cryptable.graphs.graph import LEAF
from cryptable.importers import import_estimator
from cryptable.importers.reading.learned_trees import restrict_missing
from cryptable.planner.levelled.tree_ensembles import planned_trees as levelled_trees
from cryptable.planner.registry import Task
from cryptable.planner.settings import TABLE_BITS as WIDTHS
from cryptable.planner.thresholds.grid import snap
from cryptable.planner.tree_ensembles import planned_trees
from cryptable.planner.trees.plan import cheapest_draft
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

WHOLE, Y = load_breast_cancer(return_X_y=True)
X = WHOLE[:, :8]
NAMES = tuple(f"x{index}" for index in range(30))
FOREST = RandomForestClassifier(n_estimators=5, max_depth=5, random_state=0).fit(X, Y)


def trees_of(estimator, rows=X):
    graph = import_estimator(estimator, NAMES[: rows.shape[1]], rows, np.asarray(rows, np.float64))
    return restrict_missing(graph, np.flatnonzero(np.isnan(rows).any(axis=0)).tolist())


def task_for(graph, rows, scheme):
    settings = CompileSettings(scheme=scheme)
    return Task(rows, graph.scores(rows), 0.05, settings.prices, settings)


def options_of(estimator, rows=X, target=Y, *, scheme="bootstrapped"):
    graph = trees_of(estimator.fit(rows, target), rows)
    task = task_for(graph, rows, scheme)
    trees = levelled_trees(graph, task) if scheme == "levelled" else planned_trees(graph, task, width=5)
    return TrainingOptions(estimator, trees)


# -- altered trees -----------------------------------------------------------------------------------------------------


def test_trees_that_are_small_enough_stay_as_they_are():
    graph = trees_of(FOREST)
    assert depth_of(graph) == 5
    for same in (
        with_less_depth(graph, 5),
        with_fewer_leaves(graph, most_leaves(graph)),
        with_fewer_edges(graph, 1_000_000),
    ):
        assert np.array_equal(same.scores(X), graph.scores(X))


def test_what_is_cut_off_is_cut_off_and_the_rest_stays():
    graph = trees_of(FOREST)
    shallow, small = with_less_depth(graph, 3), with_fewer_leaves(graph, 6)
    assert depth_of(shallow) == 3
    assert most_leaves(small) == 6
    for tree, whole in zip(shallow.trees, graph.trees, strict=True):
        assert (tree.feature[0], tree.edge[0]) == (whole.feature[0], whole.edge[0])
        assert len(tree.feature) < len(whole.feature)
    low = sum(tree.values[tree.feature == LEAF].min() for tree in graph.trees)
    high = sum(tree.values[tree.feature == LEAF].max() for tree in graph.trees)
    for each in (shallow, small):
        scores = each.scores(X) - each.base
        assert low <= scores.min() < scores.max() <= high
        assert np.corrcoef(scores[:, 0], graph.scores(X)[:, 0])[0, 1] > 0.9


def test_fewer_edges_are_some_of_the_models_own():
    graph = trees_of(FOREST)

    def edges(trees):
        asked = [tree.edge[(tree.feature == feature)] for feature in range(8) for tree in trees.trees]
        return [{edge for part in asked[5 * at : 5 * at + 5] for edge in part[np.isfinite(part)]} for at in range(8)]

    for few, own in zip(edges(with_fewer_edges(graph, 4)), edges(graph), strict=True):
        assert few <= own
        assert len(few) <= 4
        assert bool(few) == bool(own)


def test_oblivious_trees_ask_the_same_on_each_level():
    graph = trees_of(FOREST)
    alike = made_oblivious(graph, 4)
    assert len(alike.trees) == 5
    for tree in alike.trees:
        assert np.count_nonzero(tree.feature == LEAF) == 16
        level, questions = [0], []
        while tree.feature[level[0]] != LEAF:
            (question,) = {(int(tree.feature[node]), float(tree.edge[node])) for node in level}
            questions.append(question)
            level = [child for node in level for child in (int(tree.left[node]), int(tree.right[node]))]
        assert len(set(questions)) == 4
        assert len(set(tree.values[level, 0].tolist())) == 16


def test_a_split_about_missing_values_and_categories_is_one_question():
    rows = np.column_stack([X[:, :3], np.arange(len(X)) * 7 % 5])
    rows[::3, 0] = np.nan
    rows[1::4, 1] = np.nan
    target = (np.isnan(rows[:, 0]) + Y + (rows[:, 3] % 2 == 0)) % 2
    estimator = HistGradientBoostingClassifier(
        max_iter=8, max_depth=3, min_samples_leaf=5, categorical_features=[3], random_state=0
    ).fit(rows, target)
    graph = trees_of(estimator, rows)
    assert any(len(tree.feature) > 15 for tree in graph.trees)  # more nodes than depth 3 has
    assert depth_of(graph) == 3
    assert most_leaves(graph) <= 8
    assert most_leaves(with_fewer_leaves(graph, 4)) == 4
    assert depth_of(with_less_depth(graph, 2)) == 2


# -- estimates ---------------------------------------------------------------------------------------------------------


def libraries():
    xgboost, lightgbm, catboost = map(pytest.importorskip, ("xgboost", "lightgbm", "catboost"))
    small = {"n_estimators": 20, "random_state": 0}
    quiet = {"verbose": 0, "allow_writing_files": False, "random_state": 0}
    return {
        "max_depth=2": xgboost.XGBClassifier(max_depth=3, **small),
        "num_leaves=6": lightgbm.LGBMClassifier(num_leaves=12, verbose=-1, n_jobs=1, **small),
        "depth=3": catboost.CatBoostClassifier(iterations=20, depth=4, **quiet),
        "max_leaf_nodes=6": HistGradientBoostingClassifier(max_iter=20, max_leaf_nodes=12, random_state=0),
        "max_depth=3": RandomForestClassifier(max_depth=4, **small),
    }


def test_estimates_are_near_what_training_so_really_costs():
    prices = price_list()
    for options, estimator in libraries().items():
        found = {each.options: each for each in options_of(estimator, WHOLE).costs}
        name, value = options.split("=")
        retrained = clone(estimator).set_params(**{name: int(value)}).fit(WHOLE, Y)
        now, then = (cheapest_draft(trees_of(each, WHOLE), WIDTHS, prices) for each in (estimator, retrained))
        assert found["as it is"].lookups == now.lookups
        assert found[options].price == pytest.approx(prices.draft(then) / prices.draft(now), rel=0.3), options
        assert 0 < found[options].price < 0.9


def test_estimates_of_products_are_near_what_training_so_really_costs():
    for options, estimator in libraries().items():
        found = {each.options: each for each in options_of(estimator, WHOLE, scheme="levelled").costs}
        name, value = options.split("=")
        retrained = clone(estimator).set_params(**{name: int(value)}).fit(WHOLE, Y)
        now, then = (
            ct.compile(each, WHOLE, tolerance=0.05, show_progress=False).circuit for each in (estimator, retrained)
        )
        prices = price_list(scheme="levelled")
        assert found["as it is"].products == pytest.approx(now.products, rel=0.15)
        assert found[options].price == pytest.approx(prices.circuit(then) / prices.circuit(now), rel=0.3), options
        assert 0 < found[options].price < 1


def test_thresholds_that_are_moved_cost_about_what_was_estimated():
    options = "ct.compile(edges='quantile', bins=16), not trained again"
    found = {each.options: each for each in options_of(clone(FOREST)).costs}
    snapped = snap(trees_of(FOREST), X, "quantile", bins=16).graph
    assert found[options].lookups == pytest.approx(cheapest_draft(snapped, WIDTHS, price_list()).lookups, rel=0.2)


def test_options_have_the_names_of_the_library():
    known = libraries()
    expected = [
        (known["max_depth=2"], "max_bin=16, or ct.compile(edges='quantile', bins=16)"),
        (known["max_depth=2"], "interaction_constraints=[[0], [1], …]: no interactions"),
        (known["max_depth=2"], "CatBoost(iterations=20, depth=4): oblivious trees"),
        (known["num_leaves=6"], "max_bin=16"),
        (known["depth=3"], "border_count=16"),
        (known["depth=3"], "depth=1: no interactions"),
        (clone(known["depth=3"]).set_params(grow_policy="Depthwise"), "grow_policy='SymmetricTree', depth=4"),
        (known["max_leaf_nodes=6"], "interaction_cst='no_interactions'"),
        (GradientBoostingClassifier(n_estimators=5, max_depth=3, random_state=0), "max_depth=1: no interactions"),
        (IsolationForest(n_estimators=3, max_samples=16, random_state=0), "max_features=1: no interactions"),
        (DecisionTreeClassifier(max_depth=6, random_state=0), "max_depth=3"),
    ]
    for estimator, options in expected:
        costs = options_of(estimator).costs
        assert any(each.options.startswith(options) for each in costs), (options, costs)
        alone = [each for each in costs if each.options.endswith("no interactions")]
        assert all((each.lookups, each.table_bits, each.price) == (0, 0, 0.0) for each in alone)


def test_options_of_a_pipelines_model_are_named_as_the_pipeline_takes_them():
    pipeline = make_pipeline(StandardScaler(), clone(FOREST)).fit(X, Y)
    graph = trees_of(FOREST)
    found = TrainingOptions(pipeline, planned_trees(graph, task_for(graph, X, "bootstrapped"), width=4)).costs
    (options,) = (each.options for each in found if each.options.endswith("max_depth=4"))
    name, value = options.split("=")
    assert clone(pipeline).set_params(**{name: int(value)})[-1].max_depth == 4


def test_several_scores_are_counted_as_rounds():
    target = load_iris(return_X_y=True)
    estimator = GradientBoostingClassifier(n_estimators=4, max_depth=2, random_state=0)
    found = [each.options for each in options_of(estimator, *target).costs]
    assert "CatBoost(iterations=4, depth=4): oblivious trees" in found
    assert found.count("max_depth=1") == 1  # also without interactions: said once


def test_explain_prints_the_estimates_and_to_dict_has_them(tmp_path):
    model = ct.compile(FOREST, X, show_progress=False)
    facts = model.explain()
    told = facts.to_dict()["advice"]
    assert told["absent"] == ""
    assert told["estimates"][0]["options"] == "as it is"
    assert told["estimates"][0]["price"] == 1.0
    assert told["estimates"][0]["products"] >= facts.levelled.products
    text = " ".join(str(facts).split())
    assert "max_depth=4" in text
    assert "Estimates of cost alone" in text
    assert "ct.advise(estimator, X_train, y_train)" in text
    model.save(tmp_path / "forest.cryptable")
    assert ct.load(tmp_path / "forest.cryptable").explain().to_dict()["advice"] is None


def test_compiling_estimates_nothing_until_it_is_asked_for(monkeypatch):
    drafted = []
    real = training_options.with_fewer_edges
    monkeypatch.setattr(training_options, "with_fewer_edges", lambda *given: drafted.append(given) or real(*given))
    facts = ct.compile(FOREST, X, show_progress=False).explain()
    assert not drafted
    facts.to_dict()
    count = len(drafted)
    assert count == 1
    assert facts.to_dict()["advice"]["estimates"]
    assert len(drafted) == count


def test_large_models_are_not_drafted_again_and_the_reason_is_told(monkeypatch):
    monkeypatch.setattr(training_options, "_MOST_LEAVES", 20)
    facts = ct.compile(FOREST, X, show_progress=False).explain()
    told = facts.to_dict()["advice"]
    assert told["estimates"] == []
    assert told["absent"].startswith("not estimated: with ")
    assert "not estimated: with" in str(facts)


def test_models_without_lookups_have_nothing_to_gain():
    for estimator in (LogisticRegression(max_iter=10_000), GradientBoostingClassifier(n_estimators=3, max_depth=1)):
        facts = ct.compile(estimator.fit(X, Y), X, show_progress=False).explain()
        assert facts.to_dict()["advice"] is None
        assert "trained" not in str(facts)


def test_models_that_advise_does_not_know_are_not_sent_there():
    options = options_of(IsolationForest(n_estimators=3, max_samples=16, random_state=0))
    assert "ct.advise" not in options.note
    assert "ct.advise" in options_of(clone(FOREST)).note
