"""Preprocessing steps: a threshold on what they make becomes the raw number at which the library decides otherwise."""

import warnings

import cryptable as ct
import numpy as np
import pandas as pd
import pytest
from cryptable.compiling.plan import plan
from cryptable.importers import import_estimator
from cryptable.importers.pipelines import RawColumns, Stage, apply_step
from cryptable.importers.registry import reference_scores
from cryptable_engine import interpret
from cryptable_protocol import encode_rows
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_selection import RFE, SelectFromModel, SelectKBest, VarianceThreshold
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.naive_bayes import BernoulliNB, GaussianNB
from sklearn.neighbors import LocalOutlierFactor, NearestCentroid
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    SplineTransformer,
    StandardScaler,
    TargetEncoder,
)
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

CANCER = load_breast_cancer(return_X_y=True)
CANCER = (CANCER[0][:, :5], CANCER[1])
IRIS = load_iris(return_X_y=True)
DIABETES = load_diabetes(return_X_y=True)
RANDOM = np.random.default_rng(0)
CODES = np.column_stack([RANDOM.integers(0, 5, 300), RANDOM.integers(10, 14, 300), RANDOM.normal(size=300)]) * 1.0
CODES = (CODES, ((CODES[:, 0] == 2) ^ (CODES[:, 1] > 11) | (CODES[:, 2] > 1)).astype(int))


def fitted(*steps, data):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make_pipeline(*steps).fit(*data)


def graph_of(pipeline, rows):
    names = tuple(f"x{index}" for index in range(rows.shape[1]))
    return import_estimator(pipeline, names, rows, rows)


def tree():
    return RandomForestClassifier(n_estimators=3, max_depth=4, random_state=0)


def line():
    return LogisticRegression(max_iter=2000)


MONOTONE = [
    StandardScaler(),
    MinMaxScaler((-1, 1)),
    MinMaxScaler(clip=True),
    MaxAbsScaler(),
    RobustScaler(),
    PowerTransformer(),
    QuantileTransformer(n_quantiles=50),
    QuantileTransformer(n_quantiles=50, output_distribution="normal"),
    FunctionTransformer(np.log1p),
    FunctionTransformer(np.negative),
    FunctionTransformer(np.arctan),
    SimpleImputer(),
    FunctionTransformer(),
]
STEPWISE = [KBinsDiscretizer(4, encode="ordinal"), KBinsDiscretizer(3), Binarizer(threshold=15.0)]
DROPPING = [
    SelectKBest(k=3),
    VarianceThreshold(0.01),
    SelectFromModel(DecisionTreeClassifier(max_depth=2, random_state=0)),
    RFE(DecisionTreeClassifier(random_state=0), n_features_to_select=2),
]
CURVED = [SplineTransformer(n_knots=4), PolynomialFeatures(degree=1)]
MIXING = [PCA(3), TruncatedSVD(2), PCA(whiten=True, n_components=4)]


def named(step):
    return type(step).__name__


@pytest.mark.parametrize("step", MONOTONE + STEPWISE + DROPPING + [PolynomialFeatures(degree=1)], ids=named)
def test_trees_after_a_step_score_as_the_pipeline_does(step):
    pipeline = fitted(step, tree(), data=CANCER)
    rows = CANCER[0]
    graph = graph_of(pipeline, rows)
    assert np.abs(graph.scores(rows) - reference_scores(pipeline, rows)).max() < 1e-12
    assert_edges_are_the_librarys(graph, pipeline, rows)


def assert_edges_are_the_librarys(graph, pipeline, rows):
    """On both sides of every edge, one double apart, the graph's scores are the pipeline's."""
    probes = []
    for each in graph.trees:
        for feature, edge in zip(each.feature, each.edge, strict=True):
            if feature >= 0:
                pair = np.repeat(rows[len(probes) % len(rows)][None], 2, axis=0)
                pair[:, feature] = np.nextafter(edge, -np.inf), edge
                probes.append(pair)
    near = np.concatenate(probes)
    assert np.abs(graph.scores(near) - reference_scores(pipeline, near)).max() < 1e-12


@pytest.mark.parametrize("step", MONOTONE + STEPWISE + DROPPING + CURVED + MIXING, ids=named)
@pytest.mark.parametrize("data", [CANCER, IRIS], ids=["binary", "three classes"])
def test_linear_models_after_a_step_score_as_the_pipeline_does(step, data):
    if isinstance(step, SplineTransformer) and data is IRIS:
        pytest.skip("several curves of one column for several scores are refused")
    if isinstance(step, Binarizer) and data is IRIS:
        pytest.skip("nothing there is above the threshold")
    pipeline = fitted(step, StandardScaler(with_mean=False), line(), data=data)
    planned = plan(pipeline, data[0])
    values = interpret(planned.circuit, encode_rows(planned.features, data[0]))
    score = reference_scores(pipeline, data[0])
    got = planned.decoder.decision_function(values).reshape(score.shape)
    assert np.abs(got - score).max() <= planned.error_bound + 2e-4 * max(1.0, np.abs(score).max())
    assert planned.error_bound <= 0.05 + 1e-9
    assert planned.circuit.lookups == 0
    assert (planned.decoder.predict(values) == pipeline.predict(data[0])).mean() > 0.97


@pytest.mark.parametrize(
    "encoder",
    [
        OneHotEncoder(),
        OneHotEncoder(drop="first"),
        OneHotEncoder(min_frequency=70, handle_unknown="infrequent_if_exist"),
        OneHotEncoder(handle_unknown="ignore", sparse_output=False),
        OrdinalEncoder(),
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
        TargetEncoder(random_state=0),
    ],
    ids=["one-hot", "drop first", "infrequent", "ignore", "ordinal", "ordinal unknown", "target"],
)
@pytest.mark.parametrize("model", [tree(), line()], ids=["trees", "linear"])
def test_categories(encoder, model):
    columns = ColumnTransformer([("codes", encoder, [0, 1])], remainder="passthrough")
    pipeline = fitted(columns, model, data=CODES)
    rows = CODES[0]
    graph = graph_of(pipeline, rows)
    assert np.abs(graph.scores(rows) - reference_scores(pipeline, rows)).max() < 1e-9
    if getattr(encoder, "handle_unknown", "ignore") != "error":
        strange = rows[:40].copy()
        strange[:, 0] = np.concatenate([np.linspace(-3, 8, 20), np.nextafter(rows[:20, 0], np.inf)])
        assert np.abs(graph.scores(strange) - reference_scores(pipeline, strange)).max() < 1e-9


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    steps=st.lists(st.sampled_from(MONOTONE[:10]), min_size=1, max_size=3),
    scale=st.sampled_from([1e-9, 1.0, 1e9]),
)
def test_random_chains_of_monotone_steps_decide_as_the_library_does(seed, steps, scale):
    random = np.random.default_rng(seed)
    rows = np.abs(random.normal(size=(60, 1))) * scale + random.choice([0.0, scale])
    names = [f"{index}" for index in range(len(steps))]
    preparation = Pipeline([(name, step) for name, step in zip(names, steps, strict=True)])
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            made = preparation.fit_transform(rows)
        except ValueError:  # as the logarithm of -1: nothing that could be compiled
            reject()
        if not np.isfinite(made).all() or np.ptp(made) < 1e-12 * np.abs(made).max():
            return
        stage = apply_step("chain", preparation, Stage.start(RawColumns.of(rows, rows, ("x0",))))
        thresholds = np.unique(np.quantile(made, [0.1, 0.4, 0.8]))
        found = stage.first_reaching(0, thresholds)
        shape = stage.columns[0].shapes[0]
        rises = shape.slope > 0 if hasattr(shape, "slope") else shape.increasing
        for edge, threshold in zip(found, thresholds, strict=True):
            if np.isfinite(edge):
                below, at = preparation.transform(np.array([[np.nextafter(edge, -np.inf)], [edge]]))[:, 0]
                assert (at >= threshold) == rises
                assert (below >= threshold) != rises


def frame_of_customers():
    random = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "age": random.integers(18, 90, 400),
            "income": random.lognormal(10, 1, 400),
            "region": random.integers(0, 5, 400),
            "children": random.integers(0, 4, 400),
        }
    )
    return frame, ((frame.age > 50) ^ (frame.region == 2) | (frame.income > 60000)).astype(int)


def columns_of_customers():
    return ColumnTransformer(
        [
            ("number", make_pipeline(SimpleImputer(), StandardScaler()), ["age"]),
            ("curve", FunctionTransformer(np.log1p), ["income"]),
            ("code", OneHotEncoder(handle_unknown="ignore"), ["region"]),
        ],
        remainder="passthrough",
    )


@pytest.mark.parametrize("model", [line(), tree()], ids=["linear", "trees"])
@pytest.mark.encrypted
def test_a_frame_goes_through_a_column_transformer_under_encryption(model, tmp_path):
    frame, labels = frame_of_customers()
    pipeline = Pipeline([("columns", columns_of_customers()), ("model", model)]).fit(frame, labels)
    compiled = ct.compile(pipeline, frame, name="customers")
    assert [each.name for each in compiled.artifact.client_spec.features] == list(frame.columns)
    shuffled = frame[["region", "age", "children", "income"]]
    assert (compiled.predict(shuffled) == pipeline.predict(frame)).all()
    report = compiled.check(frame, labels, encrypted_rows=1)
    assert all(result.equal_to_clear for result in report.results if result.mode == "encrypted")
    compiled.save(tmp_path / "customers.cryptable")
    loaded = ct.load(tmp_path / "customers.cryptable")
    assert (loaded.decision_function(frame) == compiled.decision_function(frame)).all()


def test_unions_nested_pipelines_and_dropped_columns():
    union = FeatureUnion(
        [("scaled", StandardScaler()), ("bins", KBinsDiscretizer(3, encode="ordinal")), ("none", "drop")],
        transformer_weights={"bins": -2.0},
    )
    columns = ColumnTransformer(
        [("some", make_pipeline(RobustScaler(), union), slice(0, 3)), ("same", "passthrough", [4]), ("no", "drop", [5])]
    )
    for model in (DecisionTreeRegressor(max_depth=5, random_state=0), Ridge()):
        pipeline = fitted("passthrough", columns, model, data=DIABETES)
        rows = DIABETES[0]
        if isinstance(model, Ridge):
            compiled = ct.compile(pipeline, rows, tolerance=2.0)
            assert np.abs(compiled.predict(rows) - pipeline.predict(rows)).max() <= compiled.error_bound + 0.05
        else:
            graph = graph_of(pipeline, rows)
            assert np.abs(graph.scores(rows)[:, 0] - pipeline.predict(rows)).max() < 1e-9


@pytest.mark.parametrize(
    ("steps", "model", "message"),
    [
        ([StandardScaler(), PCA(2)], tree(), r"'pca' \(PCA\).*mix of 5 columns.*only linear models"),
        ([Normalizer()], line(), r"step 'normalizer' \(Normalizer\).*cannot be compiled.*nearest names: .*Scaler"),
        ([FunctionTransformer(lambda rows: rows**2)], line(), r"'functiontransformer'.*not known.*log1p"),
        (
            [PolynomialFeatures(2)],
            DecisionTreeClassifier(max_depth=1),
            r"'polynomialfeatures'.*multiplies columns \(x0 × x1\).*degree=2",
        ),
        ([PCA(2), KBinsDiscretizer(3)], line(), r"'kbinsdiscretizer'.*mix of 5 columns.*made by step 'pca'"),
        ([SplineTransformer(n_knots=3)], tree(), r"'splinetransformer'.*up and down"),
        ([SimpleImputer(missing_values=0.0)], line(), r"'simpleimputer'.*missing_values=0.0"),
        ([make_pipeline(StandardScaler(), Normalizer())], line(), r"'pipeline > normalizer' \(Normalizer\)"),
    ],
    ids=["pca", "unknown", "function", "products", "bins of a mix", "splines", "other missing", "nested"],
)
def test_what_cannot_be_taken_is_an_error_that_names_the_step(steps, model, message):
    pipeline = fitted(*steps, model, data=CANCER)
    with pytest.raises(ct.UnsupportedModelError, match=message):
        ct.compile(pipeline, CANCER[0])


def test_text_categories_name_their_step():
    names = pd.DataFrame({"x": [1.0, 2.0, 3.0, 4.0]})
    with pytest.raises(ct.UnsupportedModelError, match="predicts nothing"):
        ct.compile(make_pipeline(StandardScaler()).fit(names), names)


def test_a_pipeline_that_is_not_fitted():
    with pytest.raises(ct.NotFittedError):
        ct.compile(make_pipeline(StandardScaler(), LinearRegression()), CANCER[0])


def test_step_functions_after_scaling():
    pipeline = fitted(FunctionTransformer(np.negative), StandardScaler(), BernoulliNB(), data=IRIS)
    graph = graph_of(pipeline, IRIS[0])
    assert np.abs(graph.scores(IRIS[0]) - reference_scores(pipeline, IRIS[0])).max() < 1e-9


def test_naive_bayes_after_scaling_and_selection():
    pipeline = fitted(StandardScaler(), SelectKBest(k=3), MinMaxScaler((3, 1000)), GaussianNB(), data=IRIS)
    model = ct.compile(pipeline, IRIS[0])
    assert (model.predict(IRIS[0]) == pipeline.predict(IRIS[0])).all()
    with pytest.raises(ct.UnsupportedModelError, match=r"'powertransformer'.*GaussianNB cannot follow"):
        ct.compile(fitted(PowerTransformer(), GaussianNB(), data=IRIS), IRIS[0])


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (GaussianProcessClassifier(optimizer=None), r"GaussianProcessClassifier cannot .*: fit SVC"),
        (
            make_pipeline(StandardScaler(), LocalOutlierFactor(novelty=True)),
            r"LocalOutlierFactor cannot .*; fit IsolationForest",
        ),
        (KMeans(3, n_init=1), r"^sklearn\.cluster\.KMeans cannot .*: fit NearestCentroid on its labels"),
    ],
)
def test_an_estimator_without_importer_names_what_to_do(estimator, message):
    with pytest.raises(ct.UnsupportedModelError, match=message) as caught:
        ct.compile(estimator.fit(*IRIS), IRIS[0])
    assert len(str(caught.value)) < 400  # the list of all that is supported would hide the advice
    assert "cryptable.supported_estimators()" in str(caught.value)


def test_what_is_no_estimator_is_answered_with_what_is():
    with pytest.raises(
        ct.UnsupportedModelError, match=r"^builtins\.object cannot be compiled; .*nearest names: .*supported_"
    ):
        ct.compile(object(), IRIS[0])
    with pytest.raises(ct.UnsupportedModelError, match=r"^SVC is a class: compile a fitted instance of it"):
        ct.compile(SVC, IRIS[0])


def test_the_advice_for_clusters_predicts_them():
    clusters = KMeans(3, n_init=1, random_state=0).fit(IRIS[0])
    model = ct.compile(NearestCentroid().fit(IRIS[0], clusters.labels_), IRIS[0])
    assert model.circuit.lookups == 0
    assert (model.predict(IRIS[0]) == clusters.labels_).mean() > 0.98


def test_polynomials_of_one_column_are_curves():
    rows = np.linspace(-3, 3, 200)[:, None]
    pipeline = make_pipeline(PolynomialFeatures(3), LinearRegression()).fit(rows, np.sin(rows[:, 0]))
    model = ct.compile(pipeline, rows)
    assert np.abs(model.predict(rows) - pipeline.predict(rows)).max() <= model.error_bound + 1e-3
