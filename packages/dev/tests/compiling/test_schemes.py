"""compile(scheme=...): trees without bootstrapping, encrypted for real; others are refused by name, or bootstrapped."""

import cryptable as ct
import numpy as np
import pytest
from cryptable.errors import BudgetError, UnsupportedModelError
from cryptable_protocol import InvalidInputError
from gap_data import BINARY, TEST, TRAINING
from sklearn.ensemble import GradientBoostingRegressor, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(300, 5))
LABELS = (X[:, 0] + X[:, 1] * (X[:, 2] > 0) > 0).astype(int) + (X[:, 3] > 1)
FOREST = RandomForestClassifier(6, max_depth=4, random_state=0).fit(X, LABELS)


def compiled(estimator=FOREST, rows=X, **options):
    return ct.compile(estimator, rows, scheme="levelled", show_progress=False, **options)


def exact(model, rows, count=3):
    """Whether clear, simulated and encrypted answers are one."""
    clear = model.decision_function(rows[:count])
    return all(
        np.array_equal(model.decision_function(rows[:count], mode=mode), clear) for mode in ("simulate", "encrypted")
    )


def test_a_forest_of_three_classes_is_exact_under_encryption(tmp_path):
    model = compiled()
    spec = model.artifact.client_spec
    assert (spec.scheme, spec.p_error, model.artifact.format_version) == ("levelled", 2.0**-128, 2)
    assert exact(model, X)
    assert np.abs(model.predict_proba(X) - FOREST.predict_proba(X)).max() <= model.error_bound + 1e-9
    model.save(tmp_path / "model.cryptable")
    loaded = ct.load(tmp_path / "model.cryptable")
    assert np.array_equal(loaded.predict_proba(X), model.predict_proba(X))
    assert exact(loaded, X, 1)


BY_ENGINES = {
    "trees": (RandomForestClassifier(2, max_depth=2, random_state=0).fit(X, LABELS), {}),
    "sums": (LogisticRegression().fit(X, LABELS > 0), {}),
    "tables of four bits": (
        GradientBoostingRegressor(n_estimators=3, random_state=0).fit(X, LABELS),
        {"table_bits": 4},
    ),
}


@pytest.mark.encrypted
@pytest.mark.xdist_group("clients of Concrete")
@pytest.mark.parametrize("name", BY_ENGINES)
def test_concrete_as_engine_answers_as_our_own(name, tmp_path):
    """Bit for bit, as the interpreter does; by whatever engine the artifact is evaluated then."""
    estimator, options = BY_ENGINES[name]
    model = ct.compile(estimator, X, engine="concrete", show_progress=False, **options)
    own = ct.compile(estimator, X, scheme="bootstrapped", hide_weights=False, show_progress=False, **options)
    assert model.artifact.circuit == own.artifact.circuit
    assert model.artifact.client_spec.scheme == "bootstrapped"
    model.save(tmp_path / "model.cryptable")
    loaded = ct.load(tmp_path / "model.cryptable")
    clear = model.decision_function(X[:2])
    for each in (model, own, loaded):
        np.testing.assert_array_equal(each.decision_function(X[:2], mode="encrypted"), clear)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"engine": "seal"}, "engine is 'seal', expected 'own' or 'concrete'"),
        ({"engine": "concrete", "scheme": "levelled"}, "one of the scheme bootstrapped"),
        ({"engine": "concrete", "answer": "label"}, "answer"),
    ],
)
def test_engines_that_there_are_not(options, message):
    with pytest.raises(InvalidInputError, match=message):
        ct.compile(FOREST, X, show_progress=False, **options)


def test_check_compares_with_the_float_model():
    report = compiled().check(X[:40], LABELS[:40], encrypted_rows=2)
    assert [result.equal_to_clear for result in report.results if result.equal_to_clear is not None] == [True] * 3
    assert report.bytes["evaluation_keys"] == 878_608


def test_explain_says_products_keys_and_what_the_layout_tells():
    facts = compiled().explain()
    told = str(facts)
    for words in ("no bootstrapping", "878.6 kB", "with every model of the scheme levelled", "which of its bits are"):
        assert words in " ".join(told.replace("│", " ").split())
    assert facts.levelled.products == facts.to_dict()["levelled"]["products"] > 0
    assert facts.levelled.log2_failure <= -128
    assert (facts.lookups, facts.scheme) == (0, "levelled")
    parameters = compiled().artifact.client_spec.parameters
    assert facts.bytes.input_row == pytest.approx(parameters.row_bytes, abs=40)
    facts.plot()


def test_missing_values_and_categories_are_exact():
    estimator = HistGradientBoostingClassifier(
        max_iter=4, max_leaf_nodes=8, categorical_features="from_dtype", random_state=0
    ).fit(TRAINING, BINARY)
    model = compiled(estimator, TRAINING, missing="all")
    bound = model.error_bound
    assert np.abs(model.decision_function(TEST) - estimator.decision_function(TEST)).max() <= bound + 1e-6
    assert exact(model, TEST)


def test_a_regression_on_a_public_grid_sends_all_of_it():
    estimator = GradientBoostingRegressor(n_estimators=5, max_depth=3, random_state=0).fit(X, X[:, 0] * X[:, 1])
    model = compiled(estimator, edges=np.linspace(-2, 2, 9))
    assert model.artifact.client_spec.parameters.inputs % 9 == 0
    assert exact(model, X)


def test_auto_is_levelled_for_trees_and_bootstrapped_for_what_is_not_able():
    def scheme_of(estimator, **options):
        model = ct.compile(estimator, X, scheme="auto", show_progress=False, **options)
        return model.artifact.client_spec.scheme

    tree = DecisionTreeClassifier(max_depth=2, random_state=0).fit(X, LABELS)
    assert scheme_of(tree) == "levelled"
    assert scheme_of(tree, table_bits=4) == "bootstrapped"
    linear = LogisticRegression().fit(X, LABELS)
    assert scheme_of(linear) == "levelled"
    assert scheme_of(linear, hide_weights=False) == "bootstrapped"
    assert scheme_of(KNeighborsClassifier().fit(X[:20], LABELS[:20])) == "bootstrapped"


def test_what_the_scheme_cannot_do_is_refused_by_name():
    with pytest.raises(UnsupportedModelError, match=r"does not evaluate a model of nearest neighbours, only .*trees"):
        compiled(KNeighborsClassifier().fit(X[:20], LABELS[:20]), X[:30])
    with pytest.raises(InvalidInputError, match="no lookups and no noise in scores"):
        compiled(readout="approximate")
    with pytest.raises(InvalidInputError, match="no lookups"):
        compiled(table_bits=4)
    with pytest.raises(InvalidInputError, match="scheme is 'cheap', expected 'auto' or"):
        ct.compile(FOREST, X, scheme="cheap", show_progress=False)
    with pytest.raises(InvalidInputError, match="keys serve one scheme"):
        ct.compile(FOREST, X, scheme="bootstrapped", keys_of=compiled(), show_progress=False)


def test_keys_of_another_levelled_model_serve_this_one():
    first = compiled()
    second = compiled(keys_of=first, tolerance=0.1)
    assert second.artifact.client_spec.parameters.keyset == first.artifact.client_spec.parameters.keyset
    third = ct.compile(FOREST, X, scheme="auto", keys_of=first, show_progress=False)
    assert third.artifact.client_spec.scheme == "levelled"


def test_a_budget_prunes():
    whole = compiled().explain().cpu_seconds_predicted
    model = compiled(budget=ct.Budget(seconds=whole * 0.6), y_train=LABELS)
    assert model.explain().cpu_seconds_predicted <= whole * 0.6
    assert model.given_up is not None
    with pytest.raises(BudgetError):
        compiled(budget=ct.Budget(upload_bytes=100))
