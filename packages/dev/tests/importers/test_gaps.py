"""Missing values and categories, family by family: imports against the library, then whole models."""

import cryptable as ct
import numpy as np
import pytest
from cryptable.errors import UnsupportedModelError
from cryptable_protocol import CategoricalEncoder, ThermometerEncoder
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
    pd,
)
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
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

# -- LightGBM ---------------------------------------------------------------------------------------------------------


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
