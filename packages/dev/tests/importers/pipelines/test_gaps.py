"""Text and missing values in pipelines: steps encode and impute them, and the client's encoder does what they do."""

import cryptable as ct
import numpy as np
import pytest
from cryptable.compiling.plan import plan
from cryptable.compiling.settings import CompileSettings
from cryptable.importers.imported_model import import_model
from cryptable.importers.registry import reference_scores
from cryptable_engine import interpret
from cryptable_protocol import CategoricalEncoder, InvalidInputError, Missing, encode_rows
from gap_data import pd
from keychain import keychain
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingRegressor, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.feature_selection import SelectPercentile, chi2
from sklearn.impute import IterativeImputer, SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    OneHotEncoder,
    OrdinalEncoder,
    PowerTransformer,
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


@pytest.mark.parametrize(
    ("number", "further"),
    [
        (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), 0),
        (make_pipeline(SimpleImputer(strategy="constant", fill_value=-1e3), StandardScaler()), 0),
        (make_pipeline(StandardScaler(), SimpleImputer(add_indicator=True)), 2),
        (make_pipeline(SimpleImputer(), PowerTransformer()), 0),
        (make_pipeline(SimpleImputer(), KBinsDiscretizer(4)), None),
        (
            make_pipeline(
                FeatureUnion(
                    [("mean", SimpleImputer()), ("last", SimpleImputer(strategy="constant", fill_value=99.0))]
                ),
                StandardScaler(),
            ),
            2,
        ),
    ],
    ids=["median", "far away", "indicator", "curve", "bins", "two ways"],
)
@pytest.mark.parametrize("classes", [2, 3])
def test_linear_models_after_imputers(number, further, classes):
    label = LABEL + (classes == 3) * (WHOLE.region == "north").to_numpy()
    pipeline = make_pipeline(
        columns(number, make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder())),
        LogisticRegression(max_iter=3000),
    )
    planned = check(pipeline.fit(FRAME, label), FRAME)
    assert planned.circuit.lookups == 0
    sizes = [each.size for each in planned.features if each.name in NUMBERS]
    if further is not None:  # a missing value takes an element of its own where no number stands for it
        assert sum(sizes) == 2 + (further if classes == 3 else 0)
    missing = WHOLE.iloc[:4].assign(
        age=[np.nan, None, 40, 40], income=[3, None, np.nan, 3], region=["", None, "x", "y"]
    )
    with pytest.raises(InvalidInputError, match=r"'region'.*none of its categories"):
        encode_rows(planned.features, missing)
    missing["region"] = [None, "north", "south", "north"]
    own = reference_scores(pipeline, missing)
    assert np.abs(scores(planned, missing).reshape(own.shape) - own).max() <= planned.error_bound + 1e-6


def test_missing_values_are_refused_where_nothing_imputes_them_before_a_linear_model():
    pipeline = make_pipeline(columns(StandardScaler(), OneHotEncoder(handle_unknown="ignore")), LogisticRegression())
    with pytest.raises(ct.UnsupportedModelError, match=r"'age' has missing values.*SimpleImputer"):
        plan(pipeline.fit(WHOLE, LABEL), FRAME)


@pytest.mark.parametrize(
    "text",
    [
        OneHotEncoder(handle_unknown="ignore"),
        OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=45),
        OneHotEncoder(handle_unknown="ignore", drop="first"),
        make_pipeline(SimpleImputer(strategy="constant", fill_value="?"), OneHotEncoder(handle_unknown="ignore")),
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2),
        TargetEncoder(),
    ],
    ids=["ignore", "infrequent", "drop first", "imputed", "ordinal", "target"],
)
@pytest.mark.parametrize("last", [forest(), LogisticRegression(max_iter=3000)], ids=["trees", "linear"])
@pytest.mark.filterwarnings("ignore:Found unknown categories")
def test_an_unseen_category_is_what_the_encoder_says(text, last):
    """Also where only the encoder has seen it, not the calibration data."""
    number = make_pipeline(SimpleImputer(), StandardScaler())
    pipeline = make_pipeline(columns(number, text), last).fit(FRAME, LABEL)
    known = FRAME[FRAME.region != "far away"]
    graph = import_model(pipeline, known).graph
    strange = pd.concat([FRAME, FRAME.assign(region="none of the categories"), FRAME.assign(plan="\N{SNOWMAN}")])
    assert np.abs(graph.scores(strange) - reference_scores(pipeline, strange)).max() < 1e-9


def test_missing_values_may_be_asked_for():
    number = make_pipeline(SimpleImputer(), StandardScaler())
    pipeline = make_pipeline(columns(number, OneHotEncoder(handle_unknown="ignore")), LogisticRegression())
    pipeline.fit(FRAME, LABEL)
    refusing, taking = (plan(pipeline, WHOLE, CompileSettings(missing=missing)) for missing in ("seen", "all"))
    with pytest.raises(InvalidInputError, match="'age'"):
        encode_rows(refusing.features, FRAME)
    own = reference_scores(pipeline, FRAME)
    assert np.abs(scores(taking, FRAME)[:, None] - own).max() <= taking.error_bound + 1e-6


@pytest.mark.encrypted
@pytest.mark.filterwarnings("ignore:Found unknown categories")
def test_the_tutorial_of_mixed_types_is_predicted_under_encryption(tmp_path):
    """scikit-learn's own example of a ColumnTransformer."""
    number = Pipeline([("imputer", SimpleImputer(strategy="median")), ("scaler", StandardScaler())])
    text = Pipeline(
        [("encoder", OneHotEncoder(handle_unknown="ignore")), ("selector", SelectPercentile(chi2, percentile=50))]
    )
    preprocessor = ColumnTransformer([("num", number, NUMBERS), ("cat", text, TEXT)])
    pipeline = Pipeline([("preprocessor", preprocessor), ("classifier", LogisticRegression())]).fit(FRAME, LABEL)
    model = ct.compile(pipeline, FRAME, name="tutorial")
    model.save(tmp_path / "model")
    loaded = ct.load(tmp_path / "model")
    rows = FRAME.iloc[:70].copy()
    rows.loc[3, "region"] = rows.loc[4, "plan"] = "never seen"
    assert rows.isna().sum().min() == 0 < rows.isna().sum().max()
    assert np.abs(loaded.predict_proba(rows) - pipeline.predict_proba(rows)).max() <= model.error_bound / 4
    sample = rows.iloc[[0, 3, 4, 7, 11]]
    clear = interpret(model.circuit, encode_rows(model.artifact.client_spec.features, sample))
    assert (keychain().evaluate(model, sample) == clear).all()


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
        (
            make_pipeline(columns(SimpleImputer(), OneHotEncoder(sparse_output=False)), GaussianNB()),
            "GaussianNB in a pipeline",
        ),
        (make_pipeline(columns(IterativeImputer(max_iter=1), OneHotEncoder()), forest()), "depends on other columns"),
    ],
    ids=["bayes", "iterative"],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_what_cannot_be_exact_is_refused(pipeline, message):
    with pytest.raises(ct.UnsupportedModelError, match=message):
        plan(pipeline.fit(FRAME, LABEL), FRAME)
