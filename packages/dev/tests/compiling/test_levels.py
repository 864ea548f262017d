"""compile(answer="probability") and compile(answer="prediction"): what the link makes of scores, in levels."""

import cryptable as ct
import numpy as np
import pytest
from answering import answers_of
from cryptable.compiling.plan import plan
from cryptable.compiling.settings import CompileSettings
from cryptable.explaining.levelled import levels_told
from cryptable.planner.levelled.labels.linear import is_beyond
from cryptable_engine import Circuit, Rotation, interpret
from cryptable_protocol import Decoder, InvalidInputError, Link, encode_rows
from keychain import keychain
from lightgbm import LGBMRegressor
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier
from sklearn.linear_model import GammaRegressor, LogisticRegression, PoissonRegressor, Ridge, TweedieRegressor
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier, XGBRegressor

CANCER, IS_BENIGN = load_breast_cancer(return_X_y=True)
FLOWERS, SPECIES = load_iris(return_X_y=True)
DIABETES, PROGRESS = load_diabetes(return_X_y=True)
COUNTS = np.rint(PROGRESS / 10)
PROBABILITY = CompileSettings(answer="probability")


@pytest.fixture(scope="module")
def boosted():
    return XGBClassifier(n_estimators=20, max_depth=3, random_state=0).fit(CANCER[::2], IS_BENIGN[::2])


def answered(estimator, rows, settings, others=None):
    """In the clear, of rows that the model is planned on, or of others."""
    planned, values = answers_of(estimator, rows, settings, others)
    return planned, planned.decoder, values


@pytest.mark.parametrize("levels", [2, 8, 32])
@pytest.mark.parametrize(
    "estimator",
    [
        XGBClassifier(n_estimators=20, max_depth=3, random_state=0),
        RandomForestClassifier(10, max_depth=4, random_state=0),
        LogisticRegression(),
        make_pipeline(KBinsDiscretizer(4, encode="onehot-dense"), LogisticRegression()),
    ],
    ids=["XGBClassifier", "RandomForestClassifier", "LogisticRegression", "bins"],
)
def test_a_probability_is_told_by_the_middle_of_its_level(estimator, levels):
    scaled = StandardScaler().fit_transform(CANCER)
    estimator.fit(scaled[::2], IS_BENIGN[::2])
    settings = CompileSettings(answer="probability", levels=levels)
    planned, decoder, values = answered(estimator, scaled[::2], settings, scaled[1::2])
    told = decoder.predict_proba(values)[:, 1]
    own = estimator.predict_proba(scaled[1::2])[:, 1]
    assert set(np.unique(values % 2)) == {0}
    assert np.allclose(told * levels - 0.5, np.rint(told * levels - 0.5), atol=1e-9)  # middles, and nothing between
    if planned.error_bound is not None:
        assert np.abs(told - own).max() <= planned.error_bound + 1e-6
    # In the own level, or as far into the next one as the rounding of scores goes, which positions of the table limit.
    assert np.abs(told - own).mean() <= 0.6 / levels
    assert (np.abs(told - own) <= 1.5 / levels).mean() >= 0.95
    assert (decoder.predict(values) == estimator.predict(scaled[1::2])).mean() >= 0.98
    assert levels_told(planned.circuit, decoder) <= levels
    assert planned.agreement.mean <= planned.agreement.largest


@pytest.mark.parametrize(
    ("estimator", "target"),
    [
        (GradientBoostingRegressor(n_estimators=20, random_state=0), PROGRESS),
        (Ridge(), PROGRESS),
        (PoissonRegressor(), COUNTS),
        (GammaRegressor(), PROGRESS),
        (TweedieRegressor(power=1.5), PROGRESS),
        (XGBRegressor(n_estimators=20, max_depth=2, objective="count:poisson", random_state=0), COUNTS),
        (XGBRegressor(n_estimators=20, max_depth=2, objective="reg:logistic", random_state=0), PROGRESS / 400),
        (LGBMRegressor(n_estimators=20, num_leaves=7, objective="tweedie", verbose=-1), PROGRESS),
        (LGBMRegressor(n_estimators=20, num_leaves=7, objective="gamma", verbose=-1), PROGRESS),
    ],
    ids=["trees", "ridge", "poisson", "gamma", "tweedie", "xgboost", "logistic", "lightgbm-tweedie", "lightgbm-gamma"],
)
def test_a_regression_answers_after_its_link(estimator, target):
    estimator.fit(DIABETES, target)
    settings = CompileSettings(answer="prediction", levels=16)
    planned, decoder, values = answered(estimator, DIABETES, settings)
    own, told = estimator.predict(DIABETES), decoder.predict(values)
    width = np.ptp(own) / 16
    assert decoder.link is Link.IDENTITY  # no exponential is left for the client
    assert np.unique(told).size <= 16
    assert np.abs(told - own).mean() <= 0.3 * width
    assert np.abs(told - own).max() <= 0.7 * width
    assert planned.agreement.largest == pytest.approx(np.abs(told - own).max(), rel=1e-4)
    if planned.error_bound is not None:
        assert planned.agreement.largest <= planned.error_bound


def test_predictions_beyond_those_of_the_calibration_data_have_the_outer_levels():
    line = Ridge().fit(DIABETES, PROGRESS)
    own = line.predict(DIABETES)
    amid = DIABETES[(own > 120) & (own < 180)]
    planned = plan(line, amid, CompileSettings(answer="prediction", levels=8))
    told = planned.decoder.predict(interpret(planned.circuit, encode_rows(planned.features, DIABETES)))
    assert told.min() >= 120
    assert told.max() <= 180
    assert (told[own < 115] < 130).all()
    assert (told[own > 190] > 170).all()


def test_no_sum_of_leaves_leads_beyond_a_tables_ends():
    """Levels rise with the score and never fall, over all sums that leaves can make, on rows that no data has."""
    tree = GradientBoostingRegressor(n_estimators=30, max_depth=2, random_state=0).fit(DIABETES, PROGRESS)
    own = tree.predict(DIABETES)
    amid = DIABETES[(own > 100) & (own < 200)]
    planned = plan(tree, amid, CompileSettings(answer="prediction", levels=64))
    rows = np.random.default_rng(0).choice(DIABETES.ravel(), (4000, DIABETES.shape[1]))
    told = planned.decoder.predict(interpret(planned.circuit, encode_rows(planned.features, rows)))
    own = tree.predict(rows)
    assert own.min() < 90
    assert own.max() > 230
    assert (np.diff(told[np.argsort(own)]) >= -planned.decoder.step * 2 - 1e-9).all()  # but for rounding, by a level
    assert np.abs(told - own).max() <= planned.error_bound


def test_two_levels_are_the_label():
    tree = DecisionTreeClassifier(max_depth=4, random_state=0).fit(CANCER, IS_BENIGN)
    _, decoder, values = answered(tree, CANCER, CompileSettings(answer="probability", levels=2))
    assert (decoder.predict(values) == tree.predict(CANCER)).all()
    assert set(decoder.predict_proba(values)[:, 1]) == {0.25, 0.75}


def test_a_probability_of_one_half_stays_the_label_that_it_has():
    """Of two opposite trees: half of all rows tie, and `predict` has the first label of them."""
    rows = np.repeat([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]], [10, 9, 10, 9], axis=0)
    forest = RandomForestClassifier(2, max_depth=1, bootstrap=False, max_features=1, random_state=3)
    forest.fit(rows, rows.sum(axis=1) > 1.5)
    own = forest.predict_proba(rows)[:, 1]
    _, decoder, values = answered(forest, rows, PROBABILITY)
    assert (decoder.predict(values) == forest.predict(rows)).all()
    assert np.abs(decoder.predict_proba(values)[:, 1] - own).max() <= 0.5 / 32 + 1e-6


@pytest.mark.encrypted
def test_encrypted_probabilities_are_exact_and_told_of(tmp_path, boosted):
    model = ct.compile(boosted, CANCER[::2], answer="probability", levels=16, show_progress=False)
    rows = CANCER[1:12:2]
    clear = interpret(model.circuit, encode_rows(model.artifact.client_spec.features, rows))
    assert (keychain().evaluate(model, rows) == clear).all()
    facts = model.explain()
    assert facts.to_dict()["levelled"]["log2_failure"] <= -128
    assert facts.to_dict()["levelled"]["levels"] <= 16
    assert facts.score_step == 1 / 16
    assert "levels the probability is in, without scores" in facts.client_learns
    assert "its scores" not in facts.client_learns
    report = model.check(CANCER[1::2], IS_BENIGN[1::2], encrypted_rows=1)
    assert report.passed
    assert report["clear"].agreement >= 0.99
    assert report["clear"].largest_difference <= model.error_bound
    model.save(tmp_path / "levels.cryptable")
    loaded = ct.load(tmp_path / "levels.cryptable")
    assert (loaded.predict_proba(rows) == model.predict_proba(rows)).all()
    assert "levels the probability is in" in loaded.explain().client_learns


@pytest.mark.encrypted
def test_an_encrypted_prediction_of_a_line_is_exact():
    line = make_pipeline(StandardScaler(), PoissonRegressor()).fit(DIABETES, COUNTS)
    model = ct.compile(line, DIABETES, answer="prediction", levels=100, show_progress=False)
    rows = DIABETES[:3]
    clear = interpret(model.circuit, encode_rows(model.artifact.client_spec.features, rows))
    assert (keychain().evaluate(model, rows) == clear).all()
    assert "which range its predictions have" in model.explain().client_learns
    report = model.check(DIABETES, COUNTS, encrypted_rows=0)
    assert report["clear"].agreement >= 0.9


def test_levels_too_fine_for_their_table_are_warned_of():
    wide = XGBClassifier(n_estimators=100, max_depth=3, random_state=0).fit(CANCER[::2], IS_BENIGN[::2])
    with pytest.warns(
        ct.AgreementWarning, match=r"probabilities differ by .*fewer levels= leave tables more positions"
    ):
        ct.compile(wide, CANCER[1::2], answer="probability", levels=256, show_progress=False)


def test_a_network_of_one_neuron_has_scores_and_no_levels(boosted):
    planned = plan(boosted, CANCER[::2], PROBABILITY)
    kinds = [type(node) for node in planned.circuit.nodes]
    assert kinds.index(Rotation) == 1
    assert levels_told(planned.circuit, planned.decoder) == len(
        np.unique(
            planned.circuit.nodes[1].tables.ravel().tolist() + (-planned.circuit.nodes[1].tables.ravel()).tolist()
        )
    )
    tables = planned.circuit.nodes[1].tables.copy()
    tables[0, 0, 0] += 1
    rotation = Rotation(
        planned.circuit.nodes[1].bits, planned.circuit.nodes[1].exponents, tables, planned.circuit.nodes[1].trees
    )
    other = Circuit((planned.circuit.nodes[0], rotation, planned.circuit.nodes[2]), 2)
    assert levels_told(other, planned.decoder) is None
    assert levels_told(planned.circuit, Decoder(Link.SIGMOID, (0,), 1.0, (0.0,), (0, 1))) is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"levels": 32}, "levels is 32 with answer='score'"),
        ({"answer": "label", "levels": 32}, "levels is 32 with answer='label'"),
        ({"answer": "probability", "levels": 33}, "levels is 33, expected 2 to 256, an even number"),
        ({"answer": "prediction", "levels": 257}, "levels is 257, expected 2 to 256$"),
        ({"answer": "prediction", "levels": 1}, "levels is 1, expected 2 to 256$"),
        ({"answer": "prediction", "levels": 2.5}, "levels is 2.5, expected a whole number"),
        ({"answer": "probability", "threshold": 0.5}, "threshold is 0.5 with answer='probability'"),
        ({"answer": "prediction", "explain": "contributions"}, "tells no scores"),
        ({"answer": "probability", "scheme": "bootstrapped"}, "of scheme 'levelled'"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options, message):
    with pytest.raises(InvalidInputError, match=message):
        CompileSettings(**options)


BINARY = (SPECIES > 0) ^ (np.arange(len(SPECIES)) % 5 == 0)


@pytest.mark.parametrize(
    ("estimator", "target", "options", "error", "message"),
    [
        (Ridge(), SPECIES, {"answer": "probability"}, ct.UnsupportedModelError, 'no probabilities; use answer="predic'),
        (
            LogisticRegression(),
            BINARY,
            {"answer": "prediction"},
            ct.UnsupportedModelError,
            "this model predicts labels",
        ),
        (
            DecisionTreeClassifier(max_depth=2),
            SPECIES,
            {"answer": "probability"},
            ct.UnsupportedModelError,
            'with one score, this one has 3; use answer="label"',
        ),
        (
            Ridge(),
            np.stack([SPECIES, 2 * SPECIES], axis=1),
            {"answer": "prediction"},
            ct.UnsupportedModelError,
            "has 2",
        ),
        (LinearSVC(), BINARY, {"answer": "probability"}, ct.UnsupportedModelError, "this model has no probabilities"),
        (KNeighborsClassifier(3), BINARY, {"answer": "probability"}, ct.UnsupportedModelError, "nearest neighbours"),
        (
            MLPClassifier((4,), max_iter=5),
            BINARY,
            {"answer": "probability"},
            ct.UnsupportedModelError,
            'answered of .*not of a network.*answer="score"',
        ),
        (
            TransformedTargetRegressor(Ridge(), func=np.sqrt, inverse_func=np.square),
            SPECIES + 1.0,
            {"answer": "prediction"},
            ct.UnsupportedModelError,
            'answer="score"',
        ),
        (
            XGBRegressor(n_estimators=30, max_depth=3),
            SPECIES,
            {"answer": "prediction", "tolerance": 1e-6},
            ct.UnsupportedModelError,
            "tolerance is 1e-06, but tables have room",
        ),
        (
            DecisionTreeClassifier(max_depth=1, min_samples_leaf=40),
            BINARY,
            {"answer": "probability", "levels": 2},
            ct.ConstantModelError,
            "the same level for every input",
        ),
    ],
    ids=[
        *("probability of a number", "prediction of a label", "classes", "targets", "margins", "neighbours"),
        *("network", "curve", "tolerance", "constant"),
    ],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_what_has_no_levels_is_refused_with_a_way_out(estimator, target, options, error, message):
    if "min_samples_leaf=40" in repr(estimator):
        target = np.arange(len(SPECIES)) % 5 == 0  # less than half in any leaf
    with pytest.raises(error, match=message):
        plan(estimator.fit(FLOWERS, target), FLOWERS, CompileSettings(**options))


@pytest.mark.parametrize(("positions", "beyond"), [(7, False), (6, True), (5, True)])
def test_what_leads_beyond_a_tables_ends_is_seen(positions, beyond):
    """Bits lead from −3 to 5, and the table rises at 0 and at 4."""
    found = is_beyond(np.array([0]), np.array([[5], [-3]]), np.array([[0, 4]]), positions)
    assert found.tolist() == [beyond]
