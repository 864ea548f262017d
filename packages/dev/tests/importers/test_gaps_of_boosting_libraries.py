"""Missing values and categories, of XGBoost and CatBoost: imports against the library."""

import cryptable as ct
import numpy as np
import pytest
from cryptable.errors import UnsupportedModelError
from cryptable_protocol import InvalidInputError, Missing
from gap_data import (
    BINARY,
    LIGHT,
    MATRIX,
    MATRIX_TEST,
    NUMBERS,
    POSITIVE,
    SCORE,
    TEST,
    THREE,
    TRAINING,
    check_import,
    needs,
)
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

# -- XGBoost ----------------------------------------------------------------------------------------------------------

EXTREME = {"n_estimators": 6, "max_depth": 4, "enable_categorical": True, "learning_rate": 0.5, "n_jobs": 1}


@needs("xgboost")
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"max_cat_to_onehot": 1},
        {"max_cat_to_onehot": 20},
        {"booster": "dart", "rate_drop": 0.5, "one_drop": True},
        {"base_score": 0.3},
        {"objective": "binary:hinge"},
        {"objective": "binary:logitraw"},
    ],
    ids=str,
)
def test_xgboost_binary(options):
    from xgboost import XGBClassifier

    check_import(XGBClassifier(**(EXTREME | options)).fit(TRAINING, BINARY), TRAINING, TEST)


@needs("xgboost")
@pytest.mark.parametrize("booster", ["gbtree", "dart"])
def test_xgboost_three_classes_with_early_stopping(booster):
    from xgboost import XGBClassifier

    model = XGBClassifier(**(EXTREME | {"n_estimators": 40}), booster=booster, early_stopping_rounds=2)
    model.fit(TRAINING, THREE, eval_set=[(TEST, THREE)], verbose=False)
    graph = check_import(model, TRAINING, TEST)
    assert len(graph.trees) == 3 * (model.best_iteration + 1) < 120


@needs("xgboost")
@pytest.mark.parametrize(
    "objective",
    ["reg:squarederror", "reg:absoluteerror", "reg:squaredlogerror", "count:poisson", "reg:gamma", "reg:tweedie"],
)
def test_xgboost_regression(objective):
    from xgboost import XGBRegressor

    check_import(XGBRegressor(**EXTREME, objective=objective).fit(TRAINING, POSITIVE), TRAINING, TEST)


@needs("xgboost")
def test_xgboost_several_outputs():
    from xgboost import XGBClassifier, XGBRegressor, XGBRFClassifier

    numbers, numbers_test = TRAINING[["age", "dose", "height"]], TEST[["age", "dose", "height"]]
    check_import(XGBRegressor(**EXTREME).fit(TRAINING, np.column_stack([SCORE, -SCORE])), TRAINING, TEST)
    quantiles = XGBRegressor(**EXTREME, objective="reg:quantileerror", quantile_alpha=[0.1, 0.5])
    check_import(quantiles.fit(TRAINING, SCORE), TRAINING, TEST)
    check_import(XGBRFClassifier(n_estimators=6, enable_categorical=True).fit(TRAINING, THREE), TRAINING, TEST)
    vectors = XGBClassifier(**EXTREME, multi_strategy="multi_output_tree").fit(numbers, THREE)
    check_import(vectors, numbers, numbers_test)


@needs("xgboost")
def test_xgboost_codes_of_an_array():
    from xgboost import XGBRegressor

    model = XGBRegressor(**EXTREME, feature_types=["q", "q", "q", "c"]).fit(MATRIX, SCORE)
    check_import(model, MATRIX, MATRIX_TEST)


@needs("xgboost")
@needs("lightgbm")
def test_fractions_are_predicted_through_a_logistic_link():
    from lightgbm import LGBMRegressor
    from xgboost import XGBRegressor

    fraction = 1.0 / (1.0 + np.exp(-SCORE))
    for estimator in (
        XGBRegressor(n_estimators=4, max_depth=2, objective="reg:logistic"),
        LGBMRegressor(**LIGHT, objective="cross_entropy"),
    ):
        estimator.fit(NUMBERS, fraction)
        check_import(estimator, NUMBERS, MATRIX_TEST[:, :3])
        model = ct.compile(estimator, NUMBERS)
        assert np.abs(model.predict(NUMBERS) - estimator.predict(NUMBERS)).max() <= model.error_bound / 4 + 1e-6


# -- CatBoost ---------------------------------------------------------------------------------------------------------

CATS = {
    "iterations": 6,
    "depth": 4,
    "verbose": 0,
    "allow_writing_files": False,
    "cat_features": ["site", "grade"],
    "one_hot_max_size": 20,
    "thread_count": 1,
}


def named(rows, stranger=None):
    """As CatBoost takes it: categories are strings or integers, and none is missing."""
    rows = rows.assign(site=rows.site.astype(object).fillna("none"), grade=rows.grade.astype(int))
    if stranger is not None:
        rows.loc[::4, "site"] = stranger
    return rows


@needs("catboost")
@pytest.mark.parametrize(
    "options", [{}, {"nan_mode": "Max"}, {"grow_policy": "Lossguide"}, {"grow_policy": "Depthwise"}], ids=str
)
@pytest.mark.parametrize("target", [BINARY, np.array(list("abc"))[THREE]], ids=["binary", "three classes"])
def test_catboost_classifier(options, target):
    from catboost import CatBoostClassifier

    model = CatBoostClassifier(**CATS, **options).fit(named(TRAINING), target)
    check_import(model, named(TRAINING), named(TEST, "stranger"))


@needs("catboost")
@pytest.mark.parametrize("loss", ["RMSE", "MAE", "Poisson", "Tweedie:variance_power=1.3", "MultiRMSE"])
def test_catboost_regressor(loss):
    from catboost import CatBoostRegressor

    target = np.column_stack([SCORE, -SCORE]) if loss == "MultiRMSE" else POSITIVE
    model = CatBoostRegressor(**CATS, loss_function=loss).fit(named(TRAINING), target)
    check_import(model, named(TRAINING), named(TEST, "stranger"))


@needs("catboost")
def test_catboost_counts_of_categories_are_refused_and_so_are_unknown_hashes():
    from catboost import CatBoostClassifier

    counted = CatBoostClassifier(**(CATS | {"one_hot_max_size": 2})).fit(named(TRAINING), BINARY)
    with pytest.raises(UnsupportedModelError, match="one_hot_max_size"):
        check_import(counted, named(TRAINING), named(TEST))
    model = CatBoostClassifier(**CATS).fit(named(TRAINING), BINARY)
    few = named(TRAINING)[named(TRAINING).site == "v"]
    with pytest.raises(InvalidInputError, match=r"'site'.*all categories"):
        check_import(model, few, few)


@needs("catboost")
def test_a_symmetric_tree_of_depth_four_is_one_lookup_even_where_values_are_missing():
    from catboost import CatBoostClassifier

    options = {"iterations": 12, "depth": 4, "verbose": 0, "allow_writing_files": False, "thread_count": 1}
    model = ct.compile(CatBoostClassifier(**options).fit(NUMBERS, BINARY), NUMBERS, table_bits=4)
    assert model.circuit.lookups <= 12
    assert model.artifact.client_spec.features[0].missing is Missing.LOWEST


@needs("catboost")
def test_labels_of_catboost_are_compared_row_by_row():
    from catboost import CatBoostClassifier

    options = {"iterations": 3, "depth": 2, "verbose": 0, "allow_writing_files": False, "thread_count": 1}
    estimator = CatBoostClassifier(**options).fit(NUMBERS, THREE)
    report = ct.compile(estimator, NUMBERS).check(NUMBERS, THREE, encrypted_rows=0)
    assert report.results[0].score == pytest.approx(estimator.score(NUMBERS, THREE))
    assert report.results[1].agreement > 0.9


def test_a_pipeline_sends_nothing_for_missing_values():
    model = HistGradientBoostingClassifier(max_iter=4, max_leaf_nodes=8, min_samples_leaf=4)
    rows = TRAINING[["age", "dose", "height"]].fillna(0.25).to_numpy()
    holed = np.where(np.arange(rows.size).reshape(rows.shape) % 5, rows, np.nan)
    model.fit(holed, BINARY)
    compiled = ct.compile(make_pipeline(FunctionTransformer(), model).fit(rows, BINARY), rows)
    assert all(feature.missing is Missing.REFUSED for feature in compiled.artifact.client_spec.features if feature.size)
