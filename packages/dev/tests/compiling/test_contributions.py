"""compile(explain="contributions"): beside each score what it is a sum of, against what the libraries say of it."""

import json

import cryptable as ct
import numpy as np
import pytest
from catboost import CatBoostClassifier
from cryptable.compiling.plan import plan
from cryptable.compiling.settings import CompileSettings
from cryptable.errors import UnsupportedModelError
from cryptable_engine import interpret
from cryptable_protocol import InvalidInputError, encode_rows
from gap_data import BINARY, TRAINING
from interpret.glassbox import ExplainableBoostingClassifier
from lightgbm import LGBMClassifier
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, SplineTransformer, StandardScaler
from sklearn.tree import DecisionTreeClassifier
from xgboost import DMatrix, XGBClassifier, XGBRegressor

CANCER, IS_BENIGN = load_breast_cancer(return_X_y=True)
WINE, CULTIVAR = load_wine(return_X_y=True)
TOLD = CompileSettings(explain="contributions")


class Told:
    """A planned model's answers in the clear, in floats and as the integers that they are made of."""

    def __init__(self, estimator, rows, settings=TOLD):
        self.planned = plan(estimator, rows, settings)
        self.decoder = self.planned.decoder
        self.values = interpret(self.planned.circuit, encode_rows(self.planned.features, rows))
        self.scores = self.decoder.decision_function(self.values).reshape(len(self.values), -1)
        shape = (len(self.values), self.decoder.scores, len(self.decoder.contributions))
        self.contributions = self.decoder.contributions_of(self.values).reshape(shape)

    def differs_by_no_more_than_stated_from(self, expected):
        """From contributions of shape (rows, scores, names), and without any systematic shift by name."""
        return np.abs(self.contributions - expected).max() <= self.planned.contribution_error + 1e-6

    def adds_up(self):
        return np.allclose(self.scores, self.contributions.sum(axis=2) + self.decoder.base_values, rtol=0, atol=1e-9)


@pytest.fixture(scope="module")
def boosted():
    return XGBClassifier(n_estimators=20, max_depth=3, random_state=0).fit(CANCER, IS_BENIGN)


def test_trees_contribute_by_path_as_xgboost_has_it(boosted):
    told = Told(boosted, CANCER)
    theirs = boosted.get_booster().predict(DMatrix(CANCER), pred_contribs=True, approx_contribs=True)
    columns = [int(name[1:]) for name in told.decoder.contributions]
    assert told.differs_by_no_more_than_stated_from(theirs[:, None, columns])
    assert not np.delete(theirs[:, :-1], columns, axis=1).any()
    assert abs(told.decoder.base_values[0] - theirs[0, -1]) <= told.planned.contribution_error + 1e-6
    assert told.adds_up()
    alone = plan(boosted, CANCER)
    assert told.planned.circuit.products == alone.circuit.products  # vectors cost no more products than numbers
    scores = alone.decoder.decision_function(interpret(alone.circuit, encode_rows(alone.features, CANCER)))
    assert np.array_equal(told.scores[:, 0], scores)  # to the last bit


@pytest.mark.parametrize("missing", [np.nan, -1.0])
def test_missing_values_contribute_as_xgboost_has_them(missing):
    """A number that means a missing value is asked for by two tests before one, which are none of XGBoost's."""
    rows = np.where(np.random.default_rng(0).random(WINE.shape) < 0.2, missing, WINE)
    model = XGBClassifier(n_estimators=5, max_depth=3, missing=missing, random_state=0).fit(rows, CULTIVAR)
    told = Told(model, rows)
    matrix = DMatrix(rows, missing=missing)
    theirs = model.get_booster().predict(matrix, pred_contribs=True, approx_contribs=True)
    assert told.differs_by_no_more_than_stated_from(
        theirs[:, :, [int(name[1:]) for name in told.decoder.contributions]]
    )
    assert told.adds_up()


@pytest.mark.encrypted
def test_contributions_of_trees_are_exact_under_encryption(boosted, tmp_path):
    model = ct.compile(boosted, CANCER, explain="contributions", show_progress=False)
    clear = model.contributions(CANCER[:2])
    assert np.array_equal(model.contributions(CANCER[:2], mode="encrypted"), clear)
    assert np.array_equal(model.contributions(CANCER[:2], mode="simulate"), clear)
    report = model.check(CANCER[:20], encrypted_rows=1)
    assert report.passed
    assert 0 < report["encrypted"].largest_contribution_difference <= model.contribution_error_bound
    assert "of contributions" in str(report)
    told = model.explain()
    assert told.contributions == model.contribution_names
    assert "what each of" in told.client_learns
    assert "weights cannot be hidden" in told.client_learns
    model.save(tmp_path / "model")
    loaded = ct.load(tmp_path / "model")
    assert np.array_equal(loaded.contributions(CANCER[:2]), clear)
    assert loaded.base_values == model.base_values


def test_linear_models_contribute_coefficient_times_value():
    alone = LogisticRegression(max_iter=50).fit(CANCER / CANCER.max(axis=0), IS_BENIGN)
    told = Told(alone, CANCER / CANCER.max(axis=0))
    assert told.differs_by_no_more_than_stated_from((alone.coef_ * (CANCER / CANCER.max(axis=0)))[:, None])
    assert told.adds_up()
    assert told.decoder.base_values == pytest.approx(alone.intercept_, abs=1e-5)

    pipeline = make_pipeline(StandardScaler(), LogisticRegression()).fit(WINE, CULTIVAR)
    scaler, last = pipeline[0], pipeline[-1]
    of_raw_columns = Told(pipeline, WINE)
    expected = WINE[:, None] * last.coef_ / scaler.scale_
    assert of_raw_columns.differs_by_no_more_than_stated_from(expected)
    assert of_raw_columns.adds_up()
    assert len(of_raw_columns.decoder.base) == 3


def test_columns_that_a_pipeline_takes_apart_contribute_as_one():
    rows = np.column_stack([np.arange(178) % 3, WINE[:, 0], WINE[:, 9]])
    steps = make_column_transformer(
        (OneHotEncoder(), [0]), (SplineTransformer(n_knots=4), [1]), (StandardScaler(), [2])
    )
    pipeline = make_pipeline(steps, LogisticRegression()).fit(rows, CULTIVAR == 1)
    told = Told(pipeline, rows)
    assert told.decoder.contributions == ("x0", "x1", "x2")
    parts = pipeline[:-1].transform(rows) * pipeline[-1].coef_
    expected = np.stack([parts[:, :3].sum(axis=1), parts[:, 3:-1].sum(axis=1), parts[:, -1]], axis=1)
    moved = told.contributions[:, 0] - expected  # constants may stand in the base
    assert np.ptp(moved, axis=0).max() <= 2 * told.planned.contribution_error
    assert told.adds_up()


def test_quadratic_models_contribute_feature_by_feature():
    model = GaussianNB().fit(WINE, CULTIVAR)
    told = Told(model, WINE)
    assert told.adds_up()
    logarithms = -np.square(WINE[:, None] - model.theta_) / (2 * model.var_)
    moved = told.contributions - logarithms
    of_classes = moved - moved[:, :1]  # what all classes have alike does not count
    assert np.ptp(of_classes, axis=0).max() <= 4 * told.planned.contribution_error


def test_explainable_boosting_contributes_its_terms():
    rows = CANCER[:, :6]
    model = ExplainableBoostingClassifier(
        interactions=2, max_bins=16, max_interaction_bins=4, outer_bags=1, max_rounds=50, n_jobs=1, random_state=0
    ).fit(rows, IS_BENIGN)
    told = Told(model, rows)
    assert [name.count(" & ") for name in told.decoder.contributions] == [0] * 6 + [1] * 2
    assert [name.replace("feature_000", "x") for name in model.term_names_] == list(told.decoder.contributions)
    local = model.explain_local(rows)
    theirs = np.array([local.data(index)["scores"] for index in range(len(rows))])
    assert told.differs_by_no_more_than_stated_from(theirs[:, None])
    assert told.adds_up()
    alone = plan(model, rows)
    assert told.planned.circuit.lookups <= alone.circuit.lookups + 2  # pairs are looked up apart, and no score besides


def by_path(root, row, read):
    """What one tree's features add for a row, with values and covers as the library's own dump has them."""
    added = {}

    def value(node):
        children = read.children(node)
        if not children:
            return read.leaf(node)
        covers = [read.cover(child) for child in children]
        return sum(cover * value(child) for cover, child in zip(covers, children, strict=True)) / sum(covers)

    node = root
    while read.children(node):
        child = read.next(node, row)
        feature = read.feature(node)
        added[feature] = added.get(feature, 0.0) + value(child) - value(node)
        node = child
    return added, value(root)


class LightGbmTrees:
    """LightGBM's dump; where a row goes is what its leaf says."""

    def __init__(self, leaf):
        self.wanted = leaf

    def children(self, node):
        return [node["left_child"], node["right_child"]] if "split_feature" in node else []

    def leaf(self, node):
        return node["leaf_value"]

    def cover(self, node):
        return node["internal_count"] if "split_feature" in node else node["leaf_count"]

    def feature(self, node):
        return node["split_feature"]

    def holds(self, node):
        return any(map(self.holds, self.children(node))) or node.get("leaf_index") == self.wanted

    def next(self, node, row):
        return next(child for child in self.children(node) if self.holds(child))


def test_missing_values_and_categories_contribute_as_what_they_are():
    model = LGBMClassifier(n_estimators=6, num_leaves=8, min_child_samples=5, min_data_per_group=5, verbose=-1)
    model.fit(TRAINING, BINARY)
    told = Told(model, TRAINING)
    leaves = model.predict(TRAINING, pred_leaf=True)
    names = list(told.decoder.contributions)
    expected = np.zeros((len(TRAINING), 1, len(names)))
    for index, tree in enumerate(model.booster_.dump_model()["tree_info"]):
        for row, leaf in enumerate(leaves[:, index]):
            added, _ = by_path(tree["tree_structure"], row, LightGbmTrees(leaf))
            for feature, each in added.items():
                expected[row, 0, names.index(TRAINING.columns[feature])] += each
    assert told.differs_by_no_more_than_stated_from(expected)
    assert told.adds_up()
    assert TRAINING.isna().to_numpy().any()


def test_trees_of_scikit_learn_contribute_by_the_means_that_their_nodes_hold():
    """Of three classes; a node of theirs holds the mean of its training rows."""
    model = GradientBoostingClassifier(n_estimators=4, max_depth=3, random_state=0).fit(WINE, CULTIVAR)
    told = Told(model, WINE)
    names = [int(name[1:]) for name in told.decoder.contributions]
    expected = np.zeros((len(WINE), 3, 13))
    for stage in model.estimators_:
        for output, member in enumerate(stage):
            tree, paths = member.tree_, member.decision_path(WINE)
            # Leaves were moved after they were grown, and inner nodes were not: their means are of what is below them.
            means = tree.value[:, 0, 0].copy()
            for node in range(tree.node_count)[::-1]:
                if tree.children_left[node] >= 0:
                    below = [tree.children_left[node], tree.children_right[node]]
                    means[node] = np.average(means[below], weights=tree.weighted_n_node_samples[below])
            for row in range(len(WINE)):
                path = paths.indices[paths.indptr[row] : paths.indptr[row + 1]]
                steps = np.diff(means[path]) * model.learning_rate
                np.add.at(expected[row, output], tree.feature[path[:-1]], steps)
    assert told.differs_by_no_more_than_stated_from(expected[:, :, names])
    assert told.adds_up()


def test_symmetric_trees_contribute_by_the_weights_of_their_leaves(tmp_path):
    model = CatBoostClassifier(iterations=5, depth=3, verbose=0, allow_writing_files=False, thread_count=1)
    model.fit(CANCER, IS_BENIGN)
    told = Told(model, CANCER)
    model.save_model(str(tmp_path / "model.json"), format="json")
    trees = json.loads((tmp_path / "model.json").read_text())["oblivious_trees"]
    names = list(told.decoder.contributions)
    expected = np.zeros((len(CANCER), 1, len(names)))
    leaf_of = model.calc_leaf_indexes(CANCER)
    for index, tree in enumerate(trees):
        values, weights = np.array(tree["leaf_values"]), np.array(tree["leaf_weights"], float)
        leaves = np.arange(values.size)
        for row, leaf in enumerate(leaf_of[:, index]):
            below, before = leaves, np.average(values, weights=weights)
            for level, split in enumerate(tree["splits"]):
                below = below[below >> level & 1 == leaf >> level & 1]
                after = mean_of(below, values, weights)
                expected[row, 0, names.index(f"x{split['float_feature_index']}")] += after - before
                before = after
    assert told.differs_by_no_more_than_stated_from(expected)
    assert told.adds_up()


def mean_of(leaves, values, weights):
    """Where nothing was counted, halves: of a symmetric tree, all leaves alike, below a node that nothing reached."""
    if weights[leaves].sum() == 0:
        return values[leaves].mean()
    return np.average(values[leaves], weights=weights[leaves])


def test_where_the_library_counted_nothing_the_calibration_data_are_counted():
    """A budget prunes: what is left was counted by nobody."""
    boosted = XGBClassifier(n_estimators=6, max_depth=3, random_state=0).fit(CANCER, IS_BENIGN)
    told = Told(boosted, CANCER, CompileSettings(explain="contributions", budget=ct.Budget(seconds=0.0007)))
    assert told.planned.given_up is not None
    assert told.planned.contribution_error is None
    assert told.adds_up()
    assert abs(told.contributions.mean(axis=0)).max() < 0.2  # of paths: the base is the mean of these very rows


@pytest.mark.parametrize(
    ("estimator", "settings", "message"),
    [
        (KNeighborsClassifier(3), {}, "is not for KNeighborsClassifier, a model of nearest neighbours"),
        (RandomForestClassifier(2, max_depth=2), {"scheme": "bootstrapped"}, "scheme 'levelled' does"),
        (RandomForestClassifier(2, max_depth=2), {"table_bits": 3}, "leave scheme='auto' and the options of lookups"),
    ],
)
def test_what_tells_no_contributions_says_what_does(estimator, settings, message):
    estimator.fit(WINE, CULTIVAR)
    with pytest.raises(UnsupportedModelError, match=message):
        plan(estimator, WINE, CompileSettings(explain="contributions", **settings))


def test_more_contributions_than_an_answer_has_room_for_are_refused_with_how_many_are():
    generator = np.random.default_rng(0)
    rows = generator.normal(size=(400, 140))
    model = XGBRegressor(n_estimators=30, max_depth=3).fit(rows, rows.sum(axis=1))
    with pytest.raises(UnsupportedModelError, match=r"contributions.*fit with \d+ features at most.*explain=None"):
        ct.compile(model, rows, explain="contributions", show_progress=False)
    many = XGBClassifier(n_estimators=2, max_depth=4).fit(rows[:, :60], generator.integers(0, 6, 400))
    with pytest.raises(UnsupportedModelError, match=r"6 score\(s\) with \d+ contributions each .* room for 128"):
        plan(many, rows[:, :60], TOLD)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"explain": "shap"}, "explain is 'shap', expected 'contributions', or None"),
        ({"explain": "contributions", "readout": "approximate"}, "expected 'exact' with explain='contributions'"),
    ],
)
def test_options_that_do_not_go_together(options, message):
    with pytest.raises(InvalidInputError, match=message):
        CompileSettings(**options)


def test_a_model_that_tells_none_says_so():
    model = ct.compile(DecisionTreeClassifier(max_depth=2).fit(WINE, CULTIVAR), WINE, show_progress=False)
    assert model.contribution_names == ()
    with pytest.raises(InvalidInputError, match='compile it with explain="contributions"'):
        model.contributions(WINE)
