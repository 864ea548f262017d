"""Sums, votes and medians of models of several kinds, and isotonic curves: as the ensembles, also encrypted."""

import cryptable as ct
import numpy as np
import pytest
from cryptable.compiling.plan import plan
from cryptable.compiling.settings import CompileSettings
from cryptable.importers.registry import reference_scores
from cryptable_engine import interpret, verify
from cryptable_protocol import BitsEncoder, encode_rows
from gap_data import pd
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import (
    AdaBoostRegressor,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder, PowerTransformer, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

IRIS, DIABETES = load_iris(return_X_y=True), load_diabetes(return_X_y=True)
LINE = make_pipeline(StandardScaler(), LogisticRegression())
FOREST = RandomForestClassifier(3, max_depth=3, random_state=0)


def voting(*members, **options):
    return VotingClassifier([(str(number), member) for number, member in enumerate(members)], **options)


def answered(model, rows, X_train=None, **options):
    """The plan, its scores and predictions on some rows."""
    planned = plan(model, rows if X_train is None else X_train, CompileSettings(**options))
    values = interpret(planned.circuit, encode_rows(planned.features, rows))
    return planned, planned.decoder.decision_function(values), planned.decoder.predict(values)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize(
    "model",
    [
        voting(LINE, FOREST, GaussianNB(), voting="soft", weights=[2, 1, 1]),
        voting(LINE, FOREST, GaussianNB()),
        voting(LinearSVC(), FOREST, HistGradientBoostingClassifier(max_iter=2, max_leaf_nodes=4)),
        voting(make_pipeline(PowerTransformer(), LogisticRegression()), LINE, GaussianNB(), voting="soft"),
        voting(make_pipeline(KBinsDiscretizer(3), LogisticRegression()), LINE, FOREST, voting="soft"),
        CalibratedClassifierCV(FOREST, method="isotonic", cv=2),
        CalibratedClassifierCV(LinearSVC(), method="isotonic", cv=2, ensemble=False),
    ],
    ids=["soft", "hard", "margins", "curves", "steps", "isotonic forest", "isotonic margins"],
)
def test_classifiers(model, classes):
    rows, label = IRIS
    model = clone(model).fit(rows, label if classes == 3 else label > 0)
    planned, scores, labels = answered(model, rows)
    assert (labels == model.predict(rows)).mean() > 0.98
    if planned.error_bound is not None:
        own = reference_scores(model, rows).reshape(scores.shape)
        assert np.abs(scores - own).max() <= planned.error_bound + 1e-6


@pytest.mark.parametrize(
    "model",
    [
        VotingRegressor([("line", Ridge()), ("tree", DecisionTreeRegressor(max_depth=3, random_state=0))]),
        VotingRegressor([("line", Ridge()), ("boosted", GradientBoostingRegressor(n_estimators=3, max_depth=2))]),
        AdaBoostRegressor(n_estimators=6, random_state=0),
        AdaBoostRegressor(Ridge(), n_estimators=3, random_state=0),
    ],
    ids=["trees", "boosted trees", "median of trees", "median of lines"],
)
def test_regressions(model):
    rows, target = DIABETES
    model = clone(model).fit(rows, target)
    planned, scores, predicted = answered(model, rows)
    assert np.abs(scores - model.predict(rows)).max() <= planned.error_bound * (1 + 1e-9)
    assert planned.error_bound < 0.05 * np.ptp(predicted)


def test_votes_that_tie_go_to_the_first_label():
    for seed in range(3):
        random = np.random.default_rng(seed)
        rows, label = random.integers(0, 3, (60, 2)).astype(float), random.integers(0, 2 + seed % 2, 60)
        forest = RandomForestClassifier(4, max_depth=2, random_state=seed)
        members = DecisionTreeClassifier(max_depth=2), forest, clone(forest).set_params(n_estimators=2)
        model = voting(*members, LogisticRegression(), weights=[0.1, 0.2, 0.3, 0.4]).fit(rows, label)
        planned, _, labels = answered(model, rows)
        np.testing.assert_array_equal(labels, model.predict(rows))
        assert planned.circuit.products


def test_text_and_gaps_are_read_by_each_member_as_it_does():
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
    model = voting(
        make_pipeline(columns, LogisticRegression()), make_pipeline(clone(columns), FOREST), voting="soft"
    ).fit(frame, label)
    others = frame.assign(site="unseen")
    planned, scores, labels = answered(model, others, frame)
    np.testing.assert_array_equal(labels, model.predict(others))
    assert np.abs(scores - model.predict_proba(others)[:, 1]).max() <= planned.error_bound
    assert all(isinstance(encoder, BitsEncoder) for encoder in planned.features)
    verify(planned.circuit)


def test_encrypted_is_clear_bit_for_bit():
    rows, label = IRIS
    model = ct.compile(voting(LINE, FOREST, GaussianNB()).fit(rows, label), rows)
    report = model.check(rows[::50])
    assert report["encrypted"].equal_to_clear
    assert "the scores of each of its 3 members" in model.explain().client_learns


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"scheme": "bootstrapped"}, ct.UnsupportedModelError, "a sum of models of several kinds"),
        ({"budget": ct.Budget(seconds=1.0)}, ct.BudgetError, "shallower trees"),
        ({"explain": "contributions"}, ct.UnsupportedModelError, "explain=None"),
        ({"answer": "label"}, ct.UnsupportedModelError, 'answer="score"'),
        ({"tolerance": 1e-7}, ct.UnsupportedModelError, "raise tolerance="),
    ],
)
def test_what_is_not_of_sums_of_kinds_is_refused(options, error, message):
    rows, label = IRIS
    with pytest.raises(error, match=message):
        ct.compile(voting(LINE, FOREST, voting="soft").fit(rows, label), rows, **options)
