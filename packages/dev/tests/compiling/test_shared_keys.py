"""A model trained again, and another one, run with the keys that a client made for the first."""

from __future__ import annotations

import cryptable as ct
import numpy as np
import pytest
from cryptable.compiled.local_session import LocalSession
from cryptable_client import SecretKeys, decrypt, encrypt, write_evaluation_keys
from cryptable_engine import CompilationError, Evaluator, interpret
from cryptable_engine.schemes.bootstrapped.parameters.one_level import serves_one_level
from cryptable_protocol import encode_rows
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.ensemble import GradientBoostingRegressor, HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from xgboost import XGBClassifier


@pytest.fixture(scope="module")
def models():
    rows, labels = load_breast_cancer(return_X_y=True)
    features, target = load_diabetes(return_X_y=True)
    estimators = [
        (XGBClassifier(n_estimators=12, max_depth=3, random_state=0).fit(rows[:300], labels[:300]), rows, None),
        (XGBClassifier(n_estimators=12, max_depth=3, random_state=0).fit(rows, labels), rows, None),
        (GradientBoostingRegressor(n_estimators=5, max_depth=2, random_state=0).fit(features, target), features, 0.01),
    ]
    return [
        (ct.compile(estimator, data, table_bits=4, tolerance=tolerance, show_progress=False), data[:1])
        for estimator, data, tolerance in estimators
    ]


@pytest.mark.encrypted
def test_one_client_runs_them_all(models, tmp_path):
    assert len({model.artifact.client_spec.keyset.name for model, _ in models}) == 1
    (first, _) = models[0]
    with SecretKeys.generate(first.artifact.client_spec) as keys, (tmp_path / "keys").open("wb") as file:
        write_evaluation_keys(keys, file)
        file.flush()
        for model, row in models:
            model.save(tmp_path / "model")
            served = ct.load(tmp_path / "model")
            spec = served.artifact.client_spec
            evaluator = Evaluator(served._program())
            encoded = encode_rows(spec.features, row)
            answer = evaluator.evaluate(encrypt(spec, keys, encoded[0]), evaluator.load_keys(tmp_path / "keys"))
            np.testing.assert_array_equal(decrypt(spec, keys, answer), interpret(served.circuit, encoded)[0])


def test_the_entry_is_told_and_stored(models):
    model, _ = models[0]
    told = model.explain()
    assert told.keyset_entry == "one level, 620 bits, 2 x 1024, 2 levels"
    assert told.keyset_entry == model.artifact.compile_options.keyset_entry
    assert told.keyset_entry in str(told)
    assert told.price_over_optimum >= 1.0


def test_keys_of_another_model(models):
    """Of a model that would have cheaper ones by itself."""
    model, _ = models[0]
    rows, labels = load_breast_cancer(return_X_y=True)
    small = XGBClassifier(n_estimators=3, max_depth=2, random_state=0).fit(rows, labels)
    own = ct.compile(small, rows, table_bits=3, show_progress=False)
    assert own.artifact.client_spec.keyset != model.artifact.client_spec.keyset
    same = ct.compile(small, rows, table_bits=3, keys_of=model, show_progress=False)
    assert same.artifact.client_spec.keyset == model.artifact.client_spec.keyset
    assert own.explain().price < same.explain().price


def test_keys_of_a_model_without_lookups(models):
    rows, labels = load_breast_cancer(return_X_y=True)
    linear = ct.compile(LogisticRegression(max_iter=10_000).fit(rows, labels), rows, hide_weights=False)
    assert linear.explain().keyset_entry.startswith("no lookups")
    assert not LocalSession(linear.artifact.client_spec, linear._program()).measured.evaluation_keys_bytes
    small = XGBClassifier(n_estimators=3, max_depth=2, random_state=0).fit(rows, labels)
    with pytest.raises(CompilationError, match="cannot be compiled onto the keyset of entry 'no lookups"):
        ct.compile(small, rows, keys_of=linear, show_progress=False)


@pytest.mark.encrypted
def test_keys_of_either_kind_serve_a_model_that_would_have_the_other():
    """Few trees of two features, and trees of one feature each, whose bits are cheaper outside of tables."""
    rows, labels = load_breast_cancer(return_X_y=True)
    rows = rows[:, :12]
    alone = [{0, 1}, *({feature} for feature in range(2, 12))]
    few = HistGradientBoostingClassifier(max_iter=15, max_depth=2, random_state=0).fit(rows, labels)
    many = HistGradientBoostingClassifier(max_iter=40, max_depth=2, interaction_cst=alone, random_state=0)
    many.fit(rows, labels)
    own = [ct.compile(each, rows, scheme="bootstrapped", show_progress=False) for each in (few, many)]
    kinds = [serves_one_level(model.artifact.client_spec.keyset) for model in own]
    assert kinds == [True, False]
    for estimator, other in ((many, own[0]), (few, own[1])):
        model = ct.compile(estimator, rows, keys_of=other, show_progress=False)
        assert model.artifact.client_spec.keyset == other.artifact.client_spec.keyset
        assert model.check(rows[:20], encrypted_rows=1).passed
