"""Tables as people bring them: which column is which feature, and what a column's own values are."""

from __future__ import annotations

import copy
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from catboost import CatBoostClassifier
from cryptable.errors import UnsupportedModelError
from cryptable.importers.imported_model import import_model
from cryptable_protocol import InvalidInputError
from lightgbm import LGBMClassifier
from scipy import sparse
from sklearn.datasets import load_iris
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier, RidgeClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from xgboost import XGBClassifier

X, Y = load_iris(return_X_y=True)
ONE_HOT = np.eye(3, dtype=np.int64)[Y]
NAMES = ["sepal length", "sepal width", "petal length", "petal width"]
FRAME = pd.DataFrame(X, columns=NAMES)
NUMBERED = pd.DataFrame(X)
SHUFFLED = [2, 0, 3, 1]
CLASSIFIERS = [
    lambda: DecisionTreeClassifier(max_depth=3, random_state=0),
    lambda: XGBClassifier(n_estimators=3, max_depth=2),
    lambda: LGBMClassifier(n_estimators=3, num_leaves=4, verbose=-1),
    lambda: CatBoostClassifier(iterations=3, depth=2, verbose=0, allow_writing_files=False),
]
KINDS = ["scikit-learn", "xgboost", "lightgbm", "catboost"]


def names_of(model, data):
    return import_model(model, data).graph.feature_names


@pytest.mark.parametrize("make", CLASSIFIERS, ids=KINDS)
def test_columns_are_told_by_name(make):
    fitted = make().fit(FRAME, Y)
    assert names_of(fitted, FRAME) == tuple(NAMES)
    imported = import_model(fitted, FRAME.iloc[:, SHUFFLED])
    assert imported.graph.feature_names == tuple(NAMES)
    assert np.array_equal(imported.rows, X)
    assert np.array_equal(imported.graph.scores(FRAME.iloc[:, SHUFFLED]), imported.graph.scores(FRAME))


@pytest.mark.parametrize("make", CLASSIFIERS, ids=KINDS)
@pytest.mark.parametrize("numbers", [[0, 1, 2, 3], [5, 6, 7, 8]])
def test_names_that_are_numbers_are_names(make, numbers):
    frame = FRAME.set_axis(numbers, axis=1)
    graph = import_model(make().fit(frame, Y), frame).graph
    assert graph.feature_names == tuple(map(str, numbers))
    assert np.array_equal(graph.scores(frame.iloc[:, SHUFFLED]), graph.scores(frame))


@pytest.mark.parametrize("make", CLASSIFIERS, ids=KINDS)
def test_estimators_that_were_fitted_on_arrays_have_the_names_of_the_frame(make):
    fitted = make().fit(X, Y)
    graph = import_model(fitted, FRAME).graph
    assert graph.feature_names == tuple(NAMES)
    assert np.array_equal(graph.scores(FRAME.iloc[:, SHUFFLED]), graph.scores(FRAME))
    unnamed = import_model(fitted, X).graph
    assert unnamed.feature_names == ("x0", "x1", "x2", "x3")
    assert np.array_equal(unnamed.scores(NUMBERED.iloc[:, SHUFFLED]), unnamed.scores(X))


def test_lightgbm_writes_other_names_than_its_users():
    frame = FRAME.rename(columns={"petal length": "petal_length"})  # beside names with spaces
    fitted = LGBMClassifier(n_estimators=3, num_leaves=4, verbose=-1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted.fit(frame, Y)
    assert names_of(fitted, frame) == tuple(frame.columns)
    assert names_of(make_pipeline(fitted), frame.iloc[:, SHUFFLED]) == tuple(frame.columns)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.rename(columns={"petal width": "width"}), "lacks 'petal width', and has 'width' instead"),
        (lambda frame: frame.drop(columns="sepal width"), "lacks 'sepal width'; "),
        (lambda frame: frame.assign(species=Y), "has 'species' too; DecisionTreeClassifier was fitted with 4 columns"),
        (lambda frame: frame[[*NAMES, NAMES[0]]], "several columns of the name 'sepal length'"),
        (lambda frame: frame.to_numpy()[:, :3], r"shape \(150, 3\), expected \(rows, 4\)"),
        (lambda frame: frame["sepal width"], r"shape \(150,\), expected \(rows, 4\)"),
        (lambda frame: frame.iloc[:0], r"shape \(0, 4\), expected \(rows, 4\)"),
    ],
)
def test_other_columns_are_refused(change, message):
    fitted = DecisionTreeClassifier(max_depth=2).fit(FRAME, Y)
    with pytest.raises(InvalidInputError, match=message):
        import_model(fitted, change(FRAME))


@pytest.mark.parametrize(
    "copied", [lambda model: pickle.loads(pickle.dumps(model)), copy.deepcopy], ids=["pickle", "copy"]
)
def test_catboost_that_was_copied_knows_no_number_of_features(copied):
    fitted = copied(CLASSIFIERS[3]().fit(FRAME, Y))
    assert fitted.n_features_in_ == 0
    assert names_of(fitted, FRAME) == tuple(NAMES)
    with pytest.raises(InvalidInputError, match="lacks 'petal width'"):
        import_model(fitted, FRAME.iloc[:, :3])


# -- several targets -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("targets", [2, 3])
@pytest.mark.parametrize(
    "model",
    [
        RidgeClassifier(),
        RidgeClassifierCV(),
        XGBClassifier(n_estimators=2),
        DecisionTreeClassifier(max_depth=2),
        make_pipeline(StandardScaler(), RidgeClassifier()),
    ],
    ids=["ridge", "ridge cv", "xgboost", "tree", "pipeline"],
)
def test_several_labels_a_row_are_refused(model, targets):
    with pytest.raises(UnsupportedModelError, match=r"several targets.* compile one estimator a target"):
        import_model(model.fit(X, ONE_HOT[:, :targets]), X)


def test_several_numbers_a_row_are_predicted():
    assert import_model(DecisionTreeRegressor(max_depth=2).fit(X, ONE_HOT), X).graph.scores(X).shape == (150, 3)
    assert import_model(LinearRegression().fit(X, ONE_HOT[:, :1]), X).graph.scores(X).shape == (150, 1)


# -- what a column holds ---------------------------------------------------------------------------------------------


def test_sparse_rows():
    fitted = LogisticRegression(max_iter=1000).fit(sparse.csr_matrix(X), Y)
    assert np.array_equal(import_model(fitted, sparse.csr_matrix(X)).rows, X)
    counts = sparse.random(200, 5, density=0.5, random_state=0, format="csr")
    wanted = (counts[:, 0].toarray().ravel() > 0).astype(int) + (counts[:, 1].toarray().ravel() > 0.5)
    with pytest.raises(InvalidInputError, match=r"predicts otherwise on X_train.toarray\(\)"):
        import_model(XGBClassifier(n_estimators=5).fit(counts, wanted), counts)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["1", "2"], "'a' holds text, such as '1'; DecisionTreeClassifier takes numbers here"),
        (pd.Categorical(["1", "2"]), "'a' holds text"),
        (np.array([1, "x"], object), "'a' holds text and numbers"),
        (pd.date_range("2020-01-01", periods=2), "'a' holds values of type datetime64, such as '2020-01-01"),
        (pd.to_timedelta([1, 2], "D"), "'a' holds values of type timedelta64"),
        ([1j, 2j], "'a' holds values of type complex"),
        ([np.inf, 1.0], r"'a' \(column 0\) is inf in row 0"),
    ],
)
def test_columns_that_no_tree_takes_are_named(values, message):
    fitted = DecisionTreeClassifier().fit(pd.DataFrame({"a": [1, 2], "b": [1, 2]}), [0, 1])
    with pytest.raises(InvalidInputError, match=message):
        import_model(fitted, pd.DataFrame({"a": values, "b": [1, 2]}))
