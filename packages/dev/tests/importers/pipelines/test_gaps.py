"""Text and missing values in pipelines: steps encode and impute them, and the client's encoder does what they do."""

import cryptable as ct
import numpy as np
import pytest
from cryptable.compiling.plan import plan
from cryptable.importers.registry import reference_scores
from cryptable_engine import interpret
from cryptable_protocol import CategoricalEncoder, InvalidInputError, Missing, encode_rows
from gap_data import pd
from keychain import keychain
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingRegressor, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
    TargetEncoder,
)


def customers(*, holes=True):
    random = np.random.default_rng(1)
    count = 300
    frame = pd.DataFrame(
        {
            "age": random.integers(18, 90, count).astype(float),
            "region": random.choice(["north", "south", "east", "far away"], count, p=[0.4, 0.3, 0.2, 0.1]),
            "income": random.lognormal(3, 1, count),
            "plan": random.choice(["free", "paid"], count),
        }
    )
    label = ((frame.age > 50) ^ (frame.region == "south") | (frame.income > 40) & (frame.plan == "paid")).astype(int)
    if holes:
        frame.loc[::5, "age"] = np.nan
        frame.loc[::7, "income"] = np.nan
        frame.loc[::11, "region"] = None
    return frame, label.to_numpy()


FRAME, LABEL = customers()
WHOLE = customers(holes=False)[0]
NUMBERS, TEXT = ["age", "income"], ["region", "plan"]


def columns(number, text):
    return ColumnTransformer([("numbers", number, NUMBERS), ("text", text, TEXT)])


def scores(planned, rows):
    return planned.decoder.decision_function(interpret(planned.circuit, encode_rows(planned.features, rows)))


def check(pipeline, frame):
    planned = plan(pipeline, frame)
    own = reference_scores(pipeline, frame)
    assert np.abs(scores(planned, frame).reshape(own.shape) - own).max() <= planned.error_bound + 1e-6
    return planned


def forest():
    return RandomForestClassifier(n_estimators=4, max_depth=4, random_state=0)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (SimpleImputer(), OneHotEncoder(handle_unknown="ignore")),
        (make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler()), OneHotEncoder()),
        ("passthrough", OrdinalEncoder(encoded_missing_value=-5)),
        (make_pipeline(FunctionTransformer(np.log1p), StandardScaler()), OrdinalEncoder()),
        (make_pipeline(SimpleImputer(), KBinsDiscretizer(5, encode="ordinal")), TargetEncoder()),
        (
            SimpleImputer(strategy="constant", fill_value=-1.0),
            make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(drop="first")),
        ),
    ],
    ids=["imputed", "indicator", "as they are", "logarithms", "bins", "constants"],
)
def test_trees_after_imputers_and_encoders(number, text):
    planned = check(make_pipeline(columns(number, text), forest()).fit(FRAME, LABEL), FRAME)
    by_name = {each.name: each for each in planned.features}
    assert by_name["age"].missing in (Missing.OWN_ELEMENT, Missing.HIGHEST, Missing.LOWEST)
    assert isinstance(by_name["region"], CategoricalEncoder)
    assert by_name["region"].missing is not None
    assert set(by_name["plan"].categories) == {"free", "paid"}


def test_a_missing_value_that_is_put_among_the_highest_costs_nothing():
    rows = np.where(np.arange(200)[:, None] % 3, np.arange(200.0)[:, None], np.nan)
    pipeline = make_pipeline(SimpleImputer(strategy="constant", fill_value=1e4), GradientBoostingRegressor(max_depth=1))
    planned = check(pipeline.fit(rows, np.nan_to_num(rows[:, 0], nan=500.0) > 99), rows)
    assert planned.features[0].missing is Missing.HIGHEST


def test_trees_that_take_gaps_themselves_get_them_through_steps():
    pipeline = make_pipeline(
        columns(StandardScaler(), OrdinalEncoder()),
        HistGradientBoostingClassifier(max_iter=4, max_leaf_nodes=6, min_samples_leaf=4),
    )
    check(pipeline.fit(FRAME, LABEL), FRAME)


@pytest.mark.parametrize("text", [OneHotEncoder(handle_unknown="ignore"), OrdinalEncoder(), TargetEncoder()])
def test_linear_models_on_text(text):
    planned = check(make_pipeline(columns(StandardScaler(), text), LogisticRegression()).fit(WHOLE, LABEL), WHOLE)
    assert planned.circuit.lookups == 0
    assert sum(isinstance(each, CategoricalEncoder) for each in planned.features) == 2


def test_arrays_of_objects():
    rows = FRAME.to_numpy(object)
    transformer = ColumnTransformer([("text", OneHotEncoder(), [1, 3])], remainder=SimpleImputer())
    check(make_pipeline(transformer, forest()).fit(rows, LABEL), rows)


@pytest.mark.encrypted
def test_a_frame_with_gaps_is_predicted_under_encryption(tmp_path):
    pipeline = make_pipeline(
        columns(SimpleImputer(), OneHotEncoder()), RandomForestClassifier(2, max_depth=3, random_state=0)
    )
    model = ct.compile(pipeline.fit(FRAME, LABEL), FRAME, name="customers")
    model.save(tmp_path / "model")
    loaded = ct.load(tmp_path / "model")
    assert (loaded.predict(FRAME) == pipeline.predict(FRAME)).mean() > 0.99
    rows = FRAME.iloc[[0, 77]]
    assert rows.isna().any(axis=None)
    clear = interpret(model.circuit, encode_rows(model.artifact.client_spec.features, rows))
    assert (keychain().evaluate(model, rows) == clear).all()


def test_a_category_that_the_calibration_data_lack_is_refused():
    planned = plan(make_pipeline(columns(SimpleImputer(), OneHotEncoder()), forest()).fit(FRAME, LABEL), FRAME)
    stranger = FRAME.iloc[:3].assign(region="west")
    with pytest.raises(InvalidInputError, match=r"'region'.*west"):
        encode_rows(planned.features, stranger)


@pytest.mark.parametrize(
    ("pipeline", "message"),
    [
        (make_pipeline(columns(SimpleImputer(), OneHotEncoder()), LogisticRegression()), "linear model cannot be sent"),
        (
            make_pipeline(columns(SimpleImputer(), OneHotEncoder(sparse_output=False)), GaussianNB()),
            "GaussianNB in a pipeline",
        ),
        (make_pipeline(columns(IterativeImputer(max_iter=1), OneHotEncoder()), forest()), "depends on other columns"),
    ],
    ids=["linear", "bayes", "iterative"],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_what_cannot_be_exact_is_refused(pipeline, message):
    with pytest.raises(ct.UnsupportedModelError, match=message):
        plan(pipeline.fit(FRAME, LABEL), FRAME)
