"""Options that people set: numbers that mean a missing value, roots of targets, objectives of their own."""

import warnings

import cryptable as ct
import numpy as np
import pytest
from cryptable.compiling.plan import plan
from cryptable.importers.imported_model import import_model
from cryptable.importers.registry import reference_scores
from cryptable_engine import interpret
from cryptable_protocol import encode_rows
from gap_data import needs, pd
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder, StandardScaler

DIABETES, CANCER, IRIS = (load(return_X_y=True) for load in (load_diabetes, load_breast_cancer, load_iris))


def predicted(model, rows):
    planned = plan(model, rows)
    values = interpret(planned.circuit, encode_rows(planned.features, rows))
    return planned, planned.decoder.predict(values), planned.decoder.decision_function(values)


def check(model, rows):
    planned, _, scores = predicted(model, rows)
    own = reference_scores(model, rows)
    assert np.abs(scores.reshape(own.shape) - own).max() <= planned.error_bound + 1e-5 * max(1.0, np.abs(own).max())
    return planned


@needs("xgboost")
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), number=st.sampled_from([-999.0, 0.0, 1.0, 2.5, 1e6]))
def test_a_number_that_means_a_missing_value(seed, number):
    from xgboost import XGBClassifier

    random = np.random.default_rng(seed)
    rows = random.integers(0, 4, (150, 3)) * 1.0
    rows[random.random(rows.shape) < 0.3] = number
    label = (np.where(rows[:, 0] == number, 3, rows[:, 0]) + rows[:, 1] % 3 > 3).astype(int)
    label[:2] = 0, 1
    model = XGBClassifier(n_estimators=4, max_depth=3, missing=number, n_jobs=1).fit(rows, label)
    graph = import_model(model, rows).graph
    near = np.concatenate([rows, np.nextafter(rows, np.inf), np.nextafter(rows, -np.inf), np.round(rows) + 0.5])
    assert np.abs(graph.scores(near) - reference_scores(model, near)).max() < 1e-5
    gone = np.where(random.random(rows.shape) < 0.2, np.nan, rows)
    both = import_model(model, gone).graph
    assert np.abs(both.scores(gone) - reference_scores(model, gone)).max() < 1e-5


@needs("lightgbm")
def test_targets_whose_roots_were_learned():
    from lightgbm import LGBMRegressor

    rows, target = DIABETES
    model = LGBMRegressor(n_estimators=20, num_leaves=6, reg_sqrt=True, verbose=-1, n_jobs=1).fit(rows, target - 150)
    _, own, _ = predicted(model, rows)
    expected = model.predict(rows)
    assert expected.min() < -5 < 5 < expected.max()
    assert np.abs(own - expected).max() < 0.05 * np.ptp(expected)
    check(model, rows)


def _squared(truth, score):
    return score - truth, np.ones_like(score)


@needs("xgboost")
@pytest.mark.parametrize("data", [DIABETES, CANCER], ids=["regression", "classes"])
def test_custom_objectives_of_xgboost_predict_as_it_does(data):
    from xgboost import XGBClassifier, XGBRegressor

    rows, target = data
    kind = XGBClassifier if data is CANCER else XGBRegressor
    model = kind(objective=_squared, n_estimators=5, max_depth=3, n_jobs=1).fit(rows, target)
    check(model, rows)
    _, own, _ = predicted(model, rows)
    if data is CANCER:
        assert (own == model.predict(rows)).mean() > 0.99


@needs("lightgbm")
@pytest.mark.parametrize("data", [DIABETES, CANCER], ids=["regression", "classes"])
@pytest.mark.filterwarnings("ignore:Cannot compute class probabilities")
def test_custom_objectives_of_lightgbm_are_raw_scores(data):
    from lightgbm import LGBMClassifier, LGBMRegressor

    rows, target = data
    kind = LGBMClassifier if data is CANCER else LGBMRegressor
    model = kind(objective=_squared, n_estimators=5, num_leaves=6, verbose=-1, n_jobs=1).fit(rows, target)
    check(model, rows)


@pytest.mark.parametrize("loss", ["modified_huber", "hinge", "log_loss"])
@pytest.mark.parametrize("data", [CANCER, IRIS], ids=["two classes", "three"])
def test_scores_of_thousands_decide_as_well(loss, data):
    rows, label = data
    model = SGDClassifier(loss=loss, random_state=0).fit(rows, label)
    check(model, rows)
    _, own, _ = predicted(model, rows)
    assert (own == model.predict(rows)).mean() > 0.99


def test_ordinal_encoders_before_native_categories():
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "site": random.choice(list("abcdefgh"), 400),
            "dose": random.normal(size=400),
            "grade": random.choice([3, 7, 9], 400),
        }
    )
    label = (frame.site.isin(list("adg")) ^ (frame.grade == 7) ^ (frame.dose > 1)).astype(int)
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)
    columns = ColumnTransformer([("codes", encoder, ["site", "grade"]), ("rest", StandardScaler(), ["dose"])])
    last = HistGradientBoostingClassifier(categorical_features=[0, 1], max_iter=6, max_leaf_nodes=6)
    model = make_pipeline(columns, last).fit(frame, label)
    graph = import_model(model, frame).graph
    strange = pd.concat([frame, frame.assign(site="never seen")])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        own = reference_scores(model, strange)
    assert np.abs(graph.scores(strange) - own).max() < 1e-9


def test_categories_that_no_step_has_made_are_refused():
    rows = np.random.default_rng(0).integers(0, 5, (200, 2)) * 1.0
    last = HistGradientBoostingClassifier(categorical_features=[0], max_iter=3)
    model = make_pipeline(StandardScaler(with_mean=False, with_std=False), last).fit(rows, rows[:, 0] == 3)
    with pytest.raises(ct.UnsupportedModelError, match="column 'x0' for categories"):
        import_model(model, rows)
