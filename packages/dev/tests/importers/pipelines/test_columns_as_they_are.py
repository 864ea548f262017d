"""Columns of text that looks like numbers, of booleans, of dates and of single precision, as the library has them."""

from __future__ import annotations

import cryptable as ct
import numpy as np
import pandas as pd
import pytest
from catboost import CatBoostClassifier
from cryptable.compiling.plan import plan
from cryptable.importers.imported_model import import_model
from cryptable_protocol import UnusedFeature
from lightgbm import LGBMClassifier
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PowerTransformer,
    StandardScaler,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from xgboost import XGBClassifier

GENERATOR = np.random.default_rng(0)
POSTAL = pd.DataFrame({"dose": GENERATOR.normal(size=300), "code": GENERATOR.choice(["01", "1", "10", "33"], 300)})
TRUTH = ((POSTAL.dose > 0) ^ (POSTAL.code == "01")).to_numpy()
MIXED = pd.DataFrame(
    {
        "count": GENERATOR.integers(0, 4, 300),
        "flag": GENERATOR.random(300) > 0.5,
        "kind": GENERATOR.choice(["1", "2"], 300),
    }
)
MIXED_TRUTH = ((MIXED["count"] > 1) ^ MIXED.flag ^ (MIXED.kind == "1")).to_numpy()
TREE = DecisionTreeClassifier(max_depth=4, random_state=0)


def check(model, rows):
    """The import's verification compares scores and labels; further rows of the same kinds agree too."""
    graph = import_model(model, rows[:200]).graph
    own = np.asarray(model.predict_proba(rows))[:, 1]
    scores = graph.scores(rows)[:, 0]
    given = 1 / (1 + np.exp(-scores)) if graph.link.name == "SIGMOID" else scores
    assert np.abs(given - own).max() < 1e-6
    return graph


@pytest.mark.parametrize("kind", ["object", "string", "category"])
@pytest.mark.parametrize("encoder", [OneHotEncoder(), OrdinalEncoder()], ids=["one-hot", "ordinal"])
@pytest.mark.parametrize("model", [TREE, LogisticRegression()], ids=["tree", "linear"])
def test_text_that_looks_like_numbers_is_text(kind, encoder, model):
    rows = POSTAL.astype({"code": kind})
    columns = ColumnTransformer([("code", encoder, ["code"])], remainder="passthrough")
    graph = check(make_pipeline(columns, model).fit(rows, TRUTH), rows)
    assert graph.gaps[1].categories == ("01", "1", "10", "33")


@pytest.mark.parametrize(
    "model",
    [
        HistGradientBoostingClassifier(max_iter=5, categorical_features="from_dtype"),
        LGBMClassifier(n_estimators=5, num_leaves=4, min_data_per_group=1, verbose=-1),
        XGBClassifier(n_estimators=5, max_depth=2, enable_categorical=True),
        CatBoostClassifier(
            iterations=5, depth=2, verbose=0, cat_features=["code"], one_hot_max_size=9, allow_writing_files=False
        ),
    ],
    ids=["histogram", "lightgbm", "xgboost", "catboost"],
)
def test_categories_that_look_like_numbers_are_text(model):
    rows = POSTAL if isinstance(model, CatBoostClassifier) else POSTAL.astype({"code": "category"})
    assert check(model.fit(rows, TRUTH), rows).gaps[1].categories == ("01", "1", "10", "33")


@pytest.mark.parametrize("rows", [MIXED, MIXED.to_numpy(object)], ids=["frame", "objects"])
@pytest.mark.parametrize(
    "encoder",
    [OneHotEncoder(), OrdinalEncoder(), OneHotEncoder(handle_unknown="ignore")],
    ids=["hot", "ordinal", "ignore"],
)
@pytest.mark.parametrize("model", [TREE, LogisticRegression()], ids=["tree", "linear"])
def test_one_encoder_of_numbers_booleans_and_text(rows, encoder, model):
    check(make_pipeline(encoder, model).fit(rows, MIXED_TRUTH), rows)


@pytest.mark.parametrize("kind", ["None", "nan", "boolean", "Int64", "array"])
@pytest.mark.parametrize(
    ("encoder", "model"),
    [
        (OneHotEncoder(), LogisticRegression()),
        (OneHotEncoder(handle_unknown="ignore", drop="if_binary"), TREE),
        (OrdinalEncoder(), HistGradientBoostingClassifier(max_iter=5)),
    ],
    ids=["linear", "tree", "histogram"],
)
def test_missing_values_are_a_category_of_booleans_and_numbers(kind, encoder, model):
    missing = GENERATOR.random(300) < 0.2
    if kind in ("boolean", "Int64"):
        flag = MIXED["flag" if kind == "boolean" else "count"].astype(kind).mask(missing)
    else:
        flag = np.where(missing, np.nan if kind == "nan" else None, MIXED.flag.to_numpy(object))
    rows = pd.DataFrame({"dose": POSTAL.dose, "flag": flag})
    truth = missing ^ (POSTAL.dose > 0).to_numpy() ^ MIXED.flag.to_numpy()
    if kind == "array":
        rows = np.array([[dose, each] for dose, each in zip(POSTAL.dose, flag, strict=True)], object)
    columns = ColumnTransformer([("flag", encoder, [1])], remainder="passthrough")
    check(make_pipeline(columns, model).fit(rows, truth), rows)


@pytest.mark.parametrize("kind", ["object", "category"])
def test_categories_that_no_tree_of_catboost_asks_for_are_not_read(kind):
    rows = POSTAL.astype({"code": kind})
    model = CatBoostClassifier(iterations=2, depth=1, verbose=0, cat_features=["code"], allow_writing_files=False)
    planned = plan(model.fit(rows, POSTAL.dose > 0), rows)
    assert isinstance(planned.features[1], UnusedFeature)
    assert planned.agreement.labels == 1.0


def test_whole_numbers_that_doubles_do_not_tell_apart_are_refused_by_name():
    rows = POSTAL.assign(code=2**60 + GENERATOR.integers(0, 4, 300))
    columns = ColumnTransformer([("code", OneHotEncoder(), ["code"])], remainder="passthrough")
    with pytest.raises(ct.UnsupportedModelError, match=r"of column 'code' .*2\^53.*make text"):
        import_model(make_pipeline(columns, LogisticRegression()).fit(rows, TRUTH), rows)


@pytest.mark.parametrize("scaler", [StandardScaler(), MinMaxScaler()])
def test_steps_of_half_precision_are_computed_in_it(scaler):
    rows = GENERATOR.normal(size=(300, 3)).astype(np.float16)
    check(make_pipeline(scaler, DecisionTreeClassifier(max_depth=5)).fit(rows, rows.sum(axis=1) > 0), rows)


def test_dates_may_be_dropped():
    rows = POSTAL.assign(day=pd.date_range("2020-01-01", periods=300), other=[{}] * 300)
    columns = ColumnTransformer([("code", OneHotEncoder(), ["code"]), ("dose", "passthrough", ["dose"])])
    for model, kept in (
        (make_pipeline(columns, TREE), rows),
        (make_pipeline(columns, LogisticRegression()), rows),
        (make_pipeline(ColumnTransformer([("dose", "passthrough", ["dose"])]), TREE), rows[["day", "dose"]]),
        (
            make_pipeline(ColumnTransformer([("d", StandardScaler(), ["dose"])]), LogisticRegression()),
            rows[["day", "dose"]],
        ),
    ):
        fitted = model.fit(kept, TRUTH)
        compiled = ct.compile(fitted, kept, scheme="auto", show_progress=False)
        off = np.abs(compiled.predict_proba(kept) - fitted.predict_proba(kept)).max()
        assert off <= compiled.error_bound + 1e-9
        assert compiled.predict(kept).dtype == bool


@pytest.mark.parametrize("step", [OneHotEncoder(), "passthrough", FunctionTransformer()])
def test_dates_that_are_used_are_refused_by_name(step):
    rows = POSTAL[["dose"]].assign(day=pd.date_range("2020-01-01", periods=300).astype("int64"))
    columns = ColumnTransformer([("day", step, ["day"])], remainder="passthrough")
    fitted = make_pipeline(columns, TREE).fit(rows, TRUTH)
    with pytest.raises(
        ct.UnsupportedModelError, match="column 'day' holds values of type datetime64, such as '1970-01-"
    ):
        import_model(fitted, rows.assign(day=pd.to_datetime(rows.day)))


@pytest.mark.parametrize(
    "step", [StandardScaler(), MinMaxScaler(), PowerTransformer()], ids=["standard", "range", "power"]
)
@pytest.mark.parametrize("as_frame", [False, True], ids=["array", "frame"])
def test_steps_on_single_precision_compute_in_it(step, as_frame):
    """In double precision, dozens of these rows would fall on the other side of a threshold."""
    generator = np.random.default_rng(1)
    rows = np.round(generator.normal(50, 20, (8000, 3)), 1).astype(np.float32)
    targets = np.sin(rows[:, 0] / 9) + rows[:, 1] / 30
    kept = pd.DataFrame(rows, columns=["a", "b", "c"]) if as_frame else rows
    model = make_pipeline(step, DecisionTreeRegressor(max_depth=8, random_state=0)).fit(kept, targets)
    graph = import_model(model, kept[:1000]).graph
    assert np.abs(graph.scores(kept)[:, 0] - model.predict(kept)).max() < 1e-9
