"""Missing values and categories, family by family: imports against the library, then whole models."""

import importlib.util

import cryptable as ct
import numpy as np
import pytest
from cryptable.calibration import columns_that_may_miss, read_rows
from cryptable.errors import UnsupportedModelError
from cryptable.importers.learned_trees import restrict_missing
from cryptable.importers.registry import find_importer, import_estimator, reference_scores
from cryptable_protocol import CategoricalEncoder, InvalidInputError, Missing, ThermometerEncoder
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

pd = pytest.importorskip("pandas")


def needs(package):
    return pytest.mark.skipif(importlib.util.find_spec(package) is None, reason=f"{package} is not installed")


def frame(seed):
    """Numbers with gaps and (near) zeros, a column of names with gaps, one of integers, one never missing."""
    generator = np.random.default_rng(seed)
    count = 500
    rows = pd.DataFrame(
        {
            "age": generator.normal(size=count),
            "dose": np.where(generator.random(count) < 0.4, 0.0, generator.normal(size=count)),
            "site": pd.Categorical(generator.choice(list("stuvwxyz"), count)),
            "grade": pd.Categorical(generator.choice([3, 7, 9], count)),
            "height": generator.normal(size=count),
        }
    )
    rows.loc[::7, "age"] = np.nan
    rows.loc[::11, "site"] = None
    rows.loc[::13, "dose"] = np.nan
    rows.loc[::17, "dose"] = 1e-36  # LightGBM takes both for zero
    rows.loc[::19, "dose"] = -9e-36
    score = rows.age.fillna(0.5) + rows.site.isin(list("uxs")) * 1.5 + (rows.grade == 7) - rows.dose.fillna(1.0)
    return rows, np.asarray(score, float)


TRAINING, SCORE = frame(0)
TEST = frame(5)[0]
TEST.loc[::3, "height"] = np.nan
BINARY, THREE, POSITIVE = (SCORE > 0.5).astype(int), np.digitize(SCORE, [0, 1]), np.exp(SCORE)


def as_matrix(rows):
    """The last column: codes of categories, some of which the training data lack."""
    codes = np.where(rows.site.isna(), np.nan, rows.site.cat.codes.to_numpy() * 2.0)
    return np.column_stack([rows[["age", "dose", "height"]].to_numpy(), codes])


MATRIX, MATRIX_TEST = as_matrix(TRAINING), as_matrix(TEST)
MATRIX_TEST[::9, 3] = 77
NUMBERS = MATRIX[:, :3]


def check_import(estimator, training, test):
    """Scores of the graph, as it is and restricted to what is missing in the training data; returns the latter."""
    entry = find_importer(estimator)
    kept, rows, names = read_rows(estimator, training, with_gaps=entry.takes_gaps)
    graph = import_estimator(estimator, names, kept, rows)
    restricted = restrict_missing(graph, columns_that_may_miss("seen", rows, names))
    for each, data in ((graph, training), (graph, test), (restricted, training)):
        expected = reference_scores(estimator, data)
        allowed = 1e-9 if entry.class_names[0].startswith(("sklearn", "lightgbm", "catboost")) else 2e-6
        assert np.abs(each.scores(data) - expected).max() <= allowed * (1 + np.abs(expected).max())
    return restricted


# -- LightGBM ---------------------------------------------------------------------------------------------------------

LIGHT = {
    "n_estimators": 6,
    "num_leaves": 10,
    "min_child_samples": 4,
    "verbose": -1,
    "min_data_per_group": 5,
    "n_jobs": 1,
}


@needs("lightgbm")
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"zero_as_missing": True},
        {"use_missing": False},
        {"max_cat_to_onehot": 1, "cat_smooth": 1},
        {"boosting_type": "dart"},
        {"boosting_type": "rf", "subsample": 0.7, "subsample_freq": 1},
        {"sigmoid": 1.7},
    ],
    ids=str,
)
def test_lightgbm_binary(options):
    from lightgbm import LGBMClassifier

    model = LGBMClassifier(**(LIGHT | options)).fit(TRAINING, BINARY)
    check_import(model, TRAINING, TEST)


@needs("lightgbm")
@pytest.mark.parametrize("objective", ["multiclass", "multiclassova"])
def test_lightgbm_multiclass_with_early_stopping(objective):
    from lightgbm import LGBMClassifier, early_stopping

    model = LGBMClassifier(**(LIGHT | {"n_estimators": 60}), objective=objective)
    model.fit(TRAINING, THREE, eval_X=TEST, eval_y=THREE, callbacks=[early_stopping(2, verbose=False)])
    graph = check_import(model, TRAINING, TEST)
    assert len(graph.trees) == 3 * model.best_iteration_ < 180


@needs("lightgbm")
@pytest.mark.parametrize("objective", ["regression", "l1", "huber", "quantile", "poisson", "gamma", "tweedie"])
def test_lightgbm_regression(objective):
    from lightgbm import LGBMRegressor

    check_import(LGBMRegressor(**LIGHT, objective=objective).fit(TRAINING, POSITIVE), TRAINING, TEST)


@needs("lightgbm")
def test_lightgbm_codes_of_an_array():
    from lightgbm import LGBMRegressor

    model = LGBMRegressor(**LIGHT).fit(MATRIX, SCORE, categorical_feature=[3])
    check_import(model, MATRIX, MATRIX_TEST)


@needs("lightgbm")
def test_lightgbm_settings_that_are_refused():
    from lightgbm import LGBMRegressor

    with pytest.raises(UnsupportedModelError, match="reg_sqrt"):
        check_import(LGBMRegressor(**LIGHT, reg_sqrt=True).fit(NUMBERS, POSITIVE), NUMBERS, NUMBERS)
    with pytest.raises(UnsupportedModelError, match="linear_tree"):
        check_import(LGBMRegressor(**LIGHT, linear_tree=True).fit(NUMBERS, SCORE), NUMBERS, NUMBERS)
    with pytest.raises(UnsupportedModelError, match="cross_entropy_lambda"):
        check_import(LGBMRegressor(**LIGHT, objective="cross_entropy_lambda").fit(NUMBERS, BINARY), NUMBERS, NUMBERS)


# -- scikit-learn -----------------------------------------------------------------------------------------------------

HISTOGRAM = {"max_iter": 6, "max_leaf_nodes": 10, "min_samples_leaf": 4}


@pytest.mark.parametrize("target", [BINARY, THREE], ids=["binary", "three classes"])
def test_histogram_classifier(target):
    unknown = TEST.copy()
    unknown["site"] = pd.Categorical(np.where(np.arange(len(unknown)) % 9, unknown["site"].astype(object), "stranger"))
    model = HistGradientBoostingClassifier(**HISTOGRAM).fit(TRAINING, target)
    check_import(model, TRAINING, unknown)


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "quantile", "poisson", "gamma"])
def test_histogram_regressor(loss):
    quantile = 0.3 if loss == "quantile" else None
    model = HistGradientBoostingRegressor(**HISTOGRAM, loss=loss, quantile=quantile).fit(TRAINING, POSITIVE)
    check_import(model, TRAINING, TEST)


def test_histogram_codes_of_an_array_in_another_order():
    order = [0, 3, 1, 2]
    model = HistGradientBoostingRegressor(**HISTOGRAM, categorical_features=[1]).fit(MATRIX[:, order], SCORE)
    check_import(model, MATRIX[:, order], MATRIX_TEST[:, order])


@pytest.mark.parametrize(
    "estimator",
    [
        DecisionTreeClassifier(max_depth=5, random_state=0),
        RandomForestClassifier(4, random_state=0),
        ExtraTreesClassifier(4, max_depth=7, random_state=0),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_classification_trees_with_missing_values(estimator):
    check_import(estimator.fit(MATRIX, THREE), MATRIX, MATRIX_TEST)


@pytest.mark.parametrize(
    "estimator",
    [DecisionTreeRegressor(max_depth=5, random_state=0), RandomForestRegressor(4, random_state=0)],
    ids=lambda estimator: type(estimator).__name__,
)
def test_regression_trees_of_several_targets(estimator):
    graph = check_import(estimator.fit(MATRIX, np.column_stack([SCORE, -SCORE, POSITIVE])), MATRIX, MATRIX_TEST)
    assert graph.outputs == 3


@pytest.mark.parametrize(
    "estimator",
    [
        GradientBoostingClassifier(n_estimators=4, loss="exponential"),
        GradientBoostingClassifier(n_estimators=4, init="zero"),
        *(GradientBoostingRegressor(n_estimators=4, loss=loss) for loss in ("absolute_error", "huber", "quantile")),
    ],
    ids=str,
)
def test_gradient_boosting_losses(estimator):
    rows = np.nan_to_num(MATRIX)
    check_import(estimator.fit(rows, BINARY), rows, rows)


@pytest.mark.parametrize("options", [{}, {"contamination": 0.1}, {"max_features": 0.5}, {"max_samples": 50}], ids=str)
def test_isolation_forest(options):
    estimator = IsolationForest(n_estimators=8, random_state=0, **options)
    graph = check_import(estimator.fit(NUMBERS), NUMBERS, MATRIX_TEST[:, :3])
    scores = graph.scores(NUMBERS)[:, 0]
    assert np.allclose(estimator.offset_ * 2.0**-scores, estimator.score_samples(NUMBERS))
    clear = np.abs(scores) > 1e-9
    assert (np.where(scores > 0, 1, -1)[clear] == estimator.predict(NUMBERS)[clear]).all()
    assert len(set(estimator.predict(NUMBERS))) == 2


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


# -- whole models -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model():
    estimator = HistGradientBoostingClassifier(max_iter=3, max_leaf_nodes=5, min_samples_leaf=4)
    return ct.compile(estimator.fit(TRAINING, BINARY), TRAINING)


def test_a_model_with_gaps_agrees_with_its_estimator(model, tmp_path):
    kinds = [type(feature) for feature in model.artifact.client_spec.features]
    assert CategoricalEncoder in kinds
    assert ThermometerEncoder in kinds
    report = model.check(TRAINING, BINARY, encrypted_rows=0)
    assert report.results[1].agreement == 1.0
    model.save(tmp_path / "model.cryptable")
    loaded = ct.load(tmp_path / "model.cryptable")
    assert (loaded.decision_function(TRAINING) == model.decision_function(TRAINING)).all()
    as_objects = TRAINING.to_numpy(object)
    assert (loaded.decision_function(as_objects) == model.decision_function(TRAINING)).all()
    assert "may be missing (NaN) in 'age'" in str(model.explain().to_dict()["inputs"])


def test_a_value_that_was_never_missing_is_refused_unless_told_otherwise():
    estimator = HistGradientBoostingClassifier(max_iter=4, max_leaf_nodes=8, min_samples_leaf=4)
    estimator.fit(TRAINING[["age", "height"]], BINARY)
    gone = TEST[["age", "height"]]
    seen = ct.compile(estimator, TRAINING[["age", "height"]])
    with pytest.raises(ct.InvalidInputError, match=r"'height' .* is nan in row 0"):
        seen.predict(gone)
    told = ct.compile(estimator, TRAINING[["age", "height"]], missing=["height"])
    difference = told.decision_function(gone) - estimator.decision_function(gone)
    assert np.abs(difference).max() <= told.error_bound + 1e-9
    with pytest.raises(ct.InvalidInputError, match="'weight' is no column"):
        ct.compile(estimator, TRAINING[["age", "height"]], missing=["weight"])


@pytest.mark.encrypted
def test_encrypted_evaluation_with_gaps(model):
    rows = TRAINING.iloc[[0, 1, 11]]
    assert rows.age.isna().any()
    assert rows.site.isna().any()
    clear = model.decision_function(rows)
    assert (model.decision_function(rows, mode="encrypted") == clear).all()
