"""What users of scikit-learn and of notebooks expect of a compiled model, and messages that say what to do."""

from __future__ import annotations

import json
import sys

import cryptable as ct
import joblib
import numpy as np
import pandas as pd
import pytest
from catboost import CatBoost, CatBoostClassifier
from cryptable.__main__ import main
from lightgbm import LGBMClassifier
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, OneHotEncoder
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from xgboost import XGBClassifier

X, Y = load_iris(return_X_y=True)
FRAME, TARGET = load_breast_cancer(return_X_y=True, as_frame=True)
TREE = DecisionTreeClassifier(max_depth=3, random_state=0)


@pytest.fixture(scope="module")
def model():
    return ct.compile(TREE.fit(FRAME, TARGET == 1), FRAME, name="<tumour>", show_progress=False)


def test_habits_of_scikit_learn(model):
    assert model.score(FRAME, TARGET == 1) == TREE.score(FRAME, TARGET == 1)
    assert model.classes_.tolist() == [False, True]
    assert model.classes_.dtype == bool
    assert model.feature_names_in_.tolist() == FRAME.columns.tolist()
    assert model.n_features_in_ == 30
    assert FRAME[model.predict(FRAME)].shape == FRAME[TREE.predict(FRAME)].shape
    regression = ct.compile(DecisionTreeRegressor(max_depth=3).fit(X, Y), X, show_progress=False)
    assert not hasattr(regression, "classes_")
    assert 0.9 < regression.score(X, Y) <= 1
    assert regression.feature_names_in_.tolist() == ["x0", "x1", "x2", "x3"]


def test_rows_of_frames(model):
    wanted = model.predict(FRAME[:3])
    for rows in (
        FRAME.iloc[:3, ::-1],
        FRAME.iloc[:3].to_dict("records"),
        FRAME.iloc[:3].to_dict("list"),
        FRAME.iloc[:3].to_numpy(),
    ):
        assert np.array_equal(model.predict(rows), wanted)
    assert model.predict(FRAME.iloc[1]).tolist() == [wanted[1]] == model.predict(FRAME.iloc[1].to_dict()).tolist()


def test_labels_keep_their_kind():
    for truth in (Y == 1, (Y == 1) * 1.0, (Y == 1) * 1, np.where(Y == 1, "yes", "no")):
        fitted = DecisionTreeClassifier(max_depth=3, random_state=0).fit(X, truth)
        predicted = ct.compile(fitted, X, show_progress=False).predict(X)
        assert predicted.dtype.kind == fitted.predict(X).dtype.kind
        assert np.array_equal(predicted, fitted.predict(X))


def test_notebooks_show_what_terminals_do(model):
    shown = model._repr_html_()
    assert "&lt;tumour&gt;" in shown
    assert "<tumour>" not in shown
    assert "server learns" in model.explain()._repr_html_()
    assert "agreement" in model.check(FRAME[:5], encrypted_rows=0)._repr_html_()


class LogisticRegresion(ClassifierMixin, BaseEstimator):
    """A class that nothing reads, whose name is nearly one that can be."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return X


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (XGBClassifier(n_estimators=2).fit(X, Y).get_booster(), r"XGBClassifier\(\) .*load_model\('model.json'\)"),
        (LGBMClassifier(n_estimators=2, verbose=-1).fit(X, Y).booster_, "LightGBM loads none into LGBMClassifier"),
        (
            CatBoost({"iterations": 2, "verbose": 0, "allow_writing_files": False}).fit(X, Y),
            r"CatBoostClassifier\(\) .*load_model\('model.cbm'\)",
        ),
        (ct.EncryptedClassifier(TREE), "take its compiled_"),
        (LogisticRegresion().fit(X, Y), "nearest names: LogisticRegression, "),
        (make_pipeline(Normalizer(), TREE).fit(X, Y), "nearest names: .*StandardScaler|nearest names: .*Binarizer"),
    ],
    ids=["xgboost", "lightgbm", "catboost", "encrypted", "unknown", "step"],
)
def test_refusals_say_what_to_do(model, message):
    with pytest.raises(ct.UnsupportedModelError, match=message) as refused:
        ct.compile(model, X)
    assert len(str(refused.value)) < 600


def test_boosters_load_into_the_classes_that_are_named(tmp_path):
    boosted = XGBClassifier(n_estimators=2, max_depth=2).fit(X, Y)
    boosted.get_booster().save_model(tmp_path / "model.json")
    loaded = XGBClassifier()
    loaded.load_model(tmp_path / "model.json")
    assert np.array_equal(ct.compile(loaded, X, show_progress=False).predict(X), boosted.predict(X))
    model = CatBoostClassifier(iterations=2, depth=2, verbose=0, allow_writing_files=False).fit(X, Y)
    model.save_model(str(tmp_path / "model.cbm"))
    loaded = CatBoostClassifier().load_model(str(tmp_path / "model.cbm"))
    assert np.array_equal(ct.compile(loaded, X, show_progress=False).predict(X), model.predict(X))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tolerance": "low"}, "tolerance is 'low', expected a number"),
        ({"tolerance": True}, "tolerance is True, expected a number"),
        ({"table_bits": "4"}, "table_bits is '4', expected a whole number"),
        ({"input_bits": 3.5}, "input_bits is 3.5, expected a whole number"),
        ({"bins": "many"}, "bins is 'many', expected a whole number"),
        ({"p_error": "small"}, "p_error is 'small', expected a number"),
        ({"name": 3}, "name is 3, expected a string"),
        ({"version": 2}, "version is 2, expected a string"),
        ({"budget": 3}, r"budget is 3, expected a cryptable.Budget"),
        ({"missing": 3}, "missing is 3, expected 'seen', 'all' or names"),
        ({"keys_of": 3}, "keys_of is a int, expected a compiled model"),
        ({"labels": 3}, "labels is 3, expected one label a class"),
        ({"y_train": "a"}, r"y_train has shape \(\), X_train has 150 rows"),
    ],
)
def test_options_of_another_kind_are_named(options, message):
    with pytest.raises(ct.InvalidInputError, match=message):
        ct.compile(TREE.fit(X, Y), X, **options)


def test_a_folder_that_is_not_there_is_named(model, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no such folder to save the model in: make it: '.*models'"):
        model.save(tmp_path / "models" / "tumour.cryptable")


def test_the_command_line_takes_the_tables_that_python_takes(tmp_path, capsys):
    generator = np.random.default_rng(0)
    rows = pd.DataFrame({"dose": generator.normal(size=200), "code": generator.choice(["01", "1", "33"], 200)})
    rows["kind of ward"] = generator.choice(["a", "b"], 200)
    truth = ((rows.dose > 0) ^ (rows.code == "01")).to_numpy()
    columns = ColumnTransformer([("text", OneHotEncoder(), ["code", "kind of ward"])], remainder="passthrough")
    fitted = make_pipeline(columns, TREE).fit(rows, truth)
    joblib.dump(fitted, tmp_path / "model.joblib")
    rows.to_csv(tmp_path / "rows.csv", index=False)
    pd.Series(truth, name="truth").to_csv(tmp_path / "truth.csv", index=False)
    artifact = tmp_path / "model.cryptable"
    given = ["compile", str(tmp_path / "model.joblib"), str(tmp_path / "rows.csv"), "-o", str(artifact), "--json"]
    assert main(given) == 0
    assert json.loads(capsys.readouterr().out)["agreement"]["labels"] == 1.0
    assert np.array_equal(ct.load(artifact).predict(rows), fitted.predict(rows))
    asked = ["check", str(artifact), str(tmp_path / "rows.csv"), "--truth", str(tmp_path / "truth.csv")]
    assert main([*asked, "--encrypted-rows", "0", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["results"]["clear"]["score"] == fitted.score(rows, truth)


@pytest.mark.parametrize("name", ["lightgbm", "catboost", "array"])
def test_the_command_line_takes_estimators_of_every_library(name, tmp_path, capsys):
    rows = pd.DataFrame({"mean dose": X[:, 2], "kind": np.where(X[:, 3] > 1, "x", "y")})
    if name == "lightgbm":
        fitted = LGBMClassifier(n_estimators=3, num_leaves=4, min_data_per_group=1, verbose=-1)
        fitted.fit(rows.astype({"kind": "category"}), Y)
    elif name == "catboost":
        fitted = CatBoostClassifier(
            iterations=3, depth=2, verbose=0, cat_features=["kind"], one_hot_max_size=9, allow_writing_files=False
        ).fit(rows, Y)
    else:
        rows = pd.DataFrame(X, columns=["a", "b", "c", "d"])
        fitted = TREE.fit(X, Y)
    joblib.dump(fitted, tmp_path / "model.joblib")
    rows.to_csv(tmp_path / "rows.csv", index=False)
    artifact = tmp_path / "model.cryptable"
    assert main(["compile", str(tmp_path / "model.joblib"), str(tmp_path / "rows.csv"), "-o", str(artifact)]) == 0
    sys.stdout.write(capsys.readouterr().out)
    own = fitted.predict(X if name == "array" else rows.astype({"kind": "category"}))
    assert np.mean(ct.load(artifact).predict(rows) == own) >= 0.99
