"""Sums of models, of many kinds of members: what the graph predicts is what the ensemble does, on rows of all kinds."""

import warnings

import cryptable as ct
import numpy as np
import pytest
from cryptable.compiling.plan import plan
from cryptable.importers.imported_model import import_model
from cryptable.importers.registry import reference_scores
from cryptable_engine import interpret
from cryptable_protocol import encode_rows
from gap_data import pd
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, PoissonRegressor, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, PowerTransformer, QuantileTransformer, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

IRIS, DIABETES = load_iris(return_X_y=True), load_diabetes(return_X_y=True)
LINE = LogisticRegression(max_iter=2000)
FOREST = RandomForestClassifier(3, max_depth=3, random_state=0)
BOOSTED = GradientBoostingClassifier(n_estimators=3, max_depth=2, random_state=0)
HISTOGRAM = HistGradientBoostingClassifier(max_iter=3, max_leaf_nodes=5)


def both(first, second):
    return [("first", first), ("second", second)]


def check(model, rows):
    """Within the bound, and the same labels or nearly the same predictions."""
    planned = plan(model, rows)
    values = interpret(planned.circuit, encode_rows(planned.features, rows))
    own = reference_scores(model, rows)
    scores = planned.decoder.decision_function(values).reshape(own.shape)
    assert np.abs(scores - own).max() <= planned.error_bound + 1e-6 * max(1.0, np.abs(own).max())
    predicted, expected = planned.decoder.predict(values), model.predict(rows)
    if planned.decoder.is_classifier:
        assert (predicted == expected).mean() > 0.97
        assert np.abs(planned.decoder.predict_proba(values) - model.predict_proba(rows)).max() < 0.03
    else:
        assert np.abs(predicted - expected).max() < 0.03 * np.ptp(expected)
    return planned


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize(
    "model",
    [
        VotingClassifier(both(FOREST, BOOSTED), voting="soft", weights=[1, 3]),
        VotingClassifier(both(FOREST, HISTOGRAM), voting="soft"),
        VotingClassifier(both(GaussianNB(), GaussianNB(var_smoothing=0.1)), voting="soft"),
        VotingClassifier(both(CalibratedClassifierCV(LinearSVC(), cv=2), LINE), voting="soft"),
        BaggingClassifier(LINE, n_estimators=2, max_features=0.7, random_state=0),
        CalibratedClassifierCV(FOREST, cv=2),
        CalibratedClassifierCV(HISTOGRAM, cv=2, ensemble=False),
        CalibratedClassifierCV(GaussianNB(), cv=2),
        make_pipeline(StandardScaler(), AdaBoostClassifier(DecisionTreeClassifier(max_depth=2), n_estimators=3)),
        make_pipeline(StandardScaler(), VotingClassifier(both(LINE, LogisticRegression(C=0.1)), voting="soft")),
        GridSearchCV(make_pipeline(StandardScaler(), FOREST), {"randomforestclassifier__max_depth": [2, 3]}, cv=2),
        OneVsRestClassifier(make_pipeline(StandardScaler(), LINE)),
    ],
    ids=[
        *("trees", "single and double precision", "bayes", "calibrated", "columns", "calibrated forest", "one fold"),
        *("calibrated bayes", "pipeline of votes", "pipeline of boosted votes", "search", "one against the rest"),
    ],
)
def test_classifiers(model, classes):
    rows, label = IRIS
    label = label if classes == 3 else (label > 0).astype(int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = clone(model).fit(rows, np.array(["setosa", "versicolor", "virginica"])[label])
    check(model, rows)


@pytest.mark.parametrize(
    "model",
    [
        VotingRegressor(both(Ridge(), make_pipeline(StandardScaler(), Ridge(10.0)))),
        BaggingRegressor(n_estimators=3, estimator=None, max_features=0.5, random_state=0, max_samples=30),
        TransformedTargetRegressor(Ridge(), transformer=StandardScaler()),
        TransformedTargetRegressor(Ridge(), func=np.log, inverse_func=np.exp),
        TransformedTargetRegressor(Ridge(), func=np.sqrt, inverse_func=np.square),
        TransformedTargetRegressor(Ridge(), transformer=QuantileTransformer(n_quantiles=50)),
        TransformedTargetRegressor(Ridge(), transformer=PowerTransformer()),
    ],
    ids=["votes", "bagged trees", "scaled", "logarithms", "roots", "quantiles", "power"],
)
def test_regressions(model):
    rows, target = DIABETES
    check(clone(model).fit(rows, target), rows)


def test_members_that_are_pipelines_over_text_and_gaps():
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"age": random.normal(40, 10, 300), "site": random.choice(list("abc"), 300)})
    label = ((frame.age > 40) ^ (frame.site == "b")).astype(int)
    frame.loc[::6, "age"] = np.nan
    columns = ColumnTransformer(
        [
            ("number", make_pipeline(SimpleImputer(), StandardScaler()), ["age"]),
            ("text", OneHotEncoder(handle_unknown="ignore"), ["site"]),
        ]
    )
    for model in (
        VotingClassifier(both(make_pipeline(columns, LINE), make_pipeline(clone(columns), LINE)), voting="soft"),
        CalibratedClassifierCV(make_pipeline(columns, LINE), cv=2),
        GridSearchCV(make_pipeline(columns, LINE), {"logisticregression__C": [0.1, 1.0]}, cv=2),
    ):
        planned = check(model.fit(frame, label), frame)
        assert planned.circuit.lookups == 0


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            VotingClassifier(both(LINE, KNeighborsClassifier(1)), voting="soft"),
            r"nearest neighbours cannot.*one by one",
        ),
        (BaggingClassifier(LinearSVC(), n_estimators=2), "probabilities"),
        (
            CalibratedClassifierCV(ExtraTreesClassifier(2, max_depth=2), method="temperature", cv=2),
            "takes logarithms of the probabilities of ExtraTreesClassifier.*'sigmoid' or 'isotonic'",
        ),
        (OneVsRestClassifier(ExtraTreesClassifier(2, max_depth=2)), "ExtraTreesClassifier itself"),
        (AdaBoostClassifier(LINE, n_estimators=2), "trees, its default"),
        (GridSearchCV(LINE, {"C": [1.0]}, cv=2, refit=False), "refit=True"),
    ],
    ids=["kinds", "margins", "temperature", "averages", "boosted lines", "no refit"],
)
def test_what_cannot_be_summed_says_what_to_do(model, message):
    rows, label = IRIS
    model = clone(model).fit(rows, label)
    with pytest.raises(ct.UnsupportedModelError, match=message):
        import_model(model, rows)


def test_explain_says_that_clients_learn_what_members_score():
    model = ct.compile(CalibratedClassifierCV(LinearSVC(), cv=2).fit(*IRIS), IRIS[0])
    assert "the scores of each of its 2 members" in model.explain().client_learns


def test_regressions_and_targets_that_cannot_be_summed_say_what_to_do():
    rows, target = DIABETES
    median = AdaBoostRegressor(PoissonRegressor(), n_estimators=2, random_state=0).fit(rows, target)
    with pytest.raises(ct.UnsupportedModelError, match="exponential"):
        import_model(median, rows)
    votes = VotingRegressor(both(Ridge(), PoissonRegressor())).fit(rows, target)
    with pytest.raises(ct.UnsupportedModelError, match="exponential"):
        import_model(votes, rows)
    labels = np.stack([target > 100, target > 200], axis=1).astype(int)
    with pytest.raises(ct.UnsupportedModelError, match="one by one"):
        import_model(MultiOutputClassifier(LINE).fit(rows, labels), rows)
