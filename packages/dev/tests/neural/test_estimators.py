import copy
import pickle
import subprocess
import sys

import cryptable as ct
import numpy as np
import pytest
import torch
from cryptable.compiling.plan import plan
from cryptable.compiling.settings import CompileSettings
from cryptable.neural import QuantConvNetClassifier, QuantNeuralNetClassifier, QuantNeuralNetRegressor
from cryptable_engine import interpret
from cryptable_protocol import InvalidInputError, encode_rows
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.utils.estimator_checks import estimator_checks_generator
from skorch.callbacks import Callback

SMALL = {"hidden_layer_sizes": (6,), "max_epochs": 4, "random_state": 0}


@pytest.fixture(scope="module")
def cancer():
    return train_test_split(*load_breast_cancer(return_X_y=True), test_size=0.2, random_state=0)


@pytest.fixture(scope="module")
def classifier(cancer):
    X_train, _, y_train, _ = cancer
    return QuantNeuralNetClassifier(**SMALL).fit(X_train, y_train)


@pytest.fixture(scope="module")
def compiled(classifier, cancer):
    return ct.compile(classifier, cancer[0], scheme="bootstrapped")


def _values(model, X):
    return interpret(model.circuit, encode_rows(model.artifact.client_spec.features, X))


def test_raw_features_are_learned_from(classifier, cancer):
    assert classifier.score(cancer[1], cancer[3]) > 0.9
    assert classifier.predict_proba(cancer[1]).sum(axis=1) == pytest.approx(1)


def test_the_circuit_computes_the_modules_integers(classifier, compiled, cancer):
    decoder = compiled.artifact.client_spec.decoder
    scores = classifier.decision_function(cancer[1])
    np.testing.assert_allclose(compiled.decision_function(cancer[1]), scores, atol=1e-4)
    np.testing.assert_array_equal(compiled.predict(cancer[1]), classifier.predict(cancer[1]))
    assert np.unique(_values(compiled, cancer[1])).size > 20
    assert decoder.labels == (0, 1)
    assert compiled.explain().lookups == 6


def test_an_activation_of_torch_is_computed_as_it_was_trained(cancer):
    X, _, y, _ = cancer
    found = QuantNeuralNetClassifier((6,), activation=torch.nn.ReLU6, max_epochs=2, random_state=0).fit(X, y)
    planned = plan(pickle.loads(pickle.dumps(found)), X, CompileSettings())
    predicted = planned.decoder.predict(interpret(planned.circuit, encode_rows(planned.features, X)))
    np.testing.assert_array_equal(predicted, found.predict(X))


def test_exact_rounding_computes_the_same(classifier, cancer):
    planned = plan(classifier, cancer[0], CompileSettings(rounding="exact"))
    assert planned.circuit.lookups > 6
    scores = planned.decoder.decision_function(interpret(planned.circuit, encode_rows(planned.features, cancer[1])))
    np.testing.assert_allclose(scores, classifier.decision_function(cancer[1]), atol=1e-4)


@pytest.mark.encrypted
def test_it_predicts_on_encrypted_rows(classifier, compiled, cancer):
    sure = np.argsort(-np.abs(classifier.decision_function(cancer[1])))[:2]
    rows = cancer[1][sure]
    np.testing.assert_array_equal(compiled.predict(rows, mode="encrypted"), classifier.predict(rows))


def test_a_regressor_predicts_in_the_unit_of_its_targets():
    X, y = load_diabetes(return_X_y=True)
    regressor = QuantNeuralNetRegressor(**{**SMALL, "max_epochs": 20}).fit(X, y)
    assert regressor.score(X, y) > 0.3
    model = ct.compile(regressor, X)
    np.testing.assert_allclose(model.predict(X), regressor.predict(X), rtol=1e-4)


def test_few_noisy_rows_are_not_learnt_by_heart():
    """Of patients that were not trained on, most of what a linear model explains is explained."""
    X, y = load_diabetes(return_X_y=True)
    train, test = slice(0, 353), slice(353, None)
    small = {**SMALL, "max_epochs": 20, "hidden_layer_sizes": (16,)}
    found = QuantNeuralNetRegressor(**small).fit(X[train], y[train]).score(X[test], y[test])
    linear = LinearRegression().fit(X[train], y[train]).score(X[test], y[test])
    assert found > 0.7 * linear


def test_several_targets_are_learned_but_not_compiled():
    X, y = load_diabetes(return_X_y=True)
    regressor = QuantNeuralNetRegressor(**SMALL).fit(X, np.stack([y, -y], axis=1))
    assert regressor.predict(X[:3]).shape == (3, 2)
    with pytest.raises(ct.UnsupportedModelError, match="fitted on 2 targets"):
        ct.compile(regressor, X)


def test_images_come_flat_or_not():
    X, y = load_digits(n_class=3, return_X_y=True)
    arguments = {"channels": (3,), "pool_size": 3, "max_epochs": 3, "batch_size": 16, "random_state": 0}
    flat = QuantConvNetClassifier(**arguments).fit(X, y)
    square = QuantConvNetClassifier(**arguments).fit(X.reshape(-1, 8, 8), y)
    np.testing.assert_array_equal(flat.decision_function(X), square.decision_function(X.reshape(-1, 8, 8)))
    assert flat.score(X, y) > 0.8
    model = ct.compile(flat, X)
    assert model.circuit.lookups == 3 * 2 * 2
    np.testing.assert_allclose(model.decision_function(X), flat.decision_function(X), atol=1e-4)
    with pytest.raises(InvalidInputError, match="63 pixels, which is no image of shape n x n"):
        QuantConvNetClassifier(**arguments).fit(X[:, 1:], y)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))])
def test_copies_predict_the_same(classifier, cancer, copied):
    again = copied(classifier)
    np.testing.assert_array_equal(again.decision_function(cancer[1]), classifier.decision_function(cancer[1]))
    assert again.history_ == classifier.history_


def test_a_pickle_loads_in_a_fresh_process(classifier, cancer, tmp_path):
    (tmp_path / "classifier").write_bytes(pickle.dumps((classifier, cancer[1][:5])))
    program = (
        "import pickle, sys; model, rows = pickle.load(open(sys.argv[1], 'rb')); print(model.predict(rows).tolist())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "classifier"], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(classifier.predict(cancer[1][:5]).tolist())


def test_a_seed_decides_and_torchs_own_numbers_go_on(classifier, cancer):
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    again = clone(classifier).fit(cancer[0], cancer[2])
    assert torch.equal(torch.rand(3), expected)
    np.testing.assert_array_equal(again.decision_function(cancer[1]), classifier.decision_function(cancer[1]))
    other = clone(classifier).set_params(random_state=1).fit(cancer[0], cancer[2])
    assert (other.decision_function(cancer[1]) != classifier.decision_function(cancer[1])).any()


def test_early_stopping_takes_the_best_epoch(cancer):
    model = QuantNeuralNetClassifier(
        (6,), max_epochs=200, batch_size=64, early_stopping=True, patience=2, random_state=0
    )
    model.fit(cancer[0][:150], cancer[2][:150])
    assert model.n_iter_ < 200
    losses = [epoch["valid_loss"] for epoch in model.history_]
    assert int(np.argmin(losses)) == model.n_iter_ - 3


class CountEpochs(Callback):
    epochs = 0

    def on_epoch_end(self, net, **kwargs):
        self.epochs += 1


def test_callbacks_and_arguments_of_skorch_are_passed_on(cancer):
    counter = CountEpochs()
    model = QuantNeuralNetClassifier(
        **SMALL,
        callbacks=[("count", counter)],
        skorch_params={"optimizer": torch.optim.SGD, "optimizer__momentum": 0.9},
    )
    model.fit(cancer[0][:100], cancer[2][:100])
    assert counter.epochs == 4
    assert isinstance(model.net_.optimizer_, torch.optim.SGD)


def test_a_class_weight_moves_the_balance(cancer):
    X_train, X_test, y_train, _ = cancer
    shares = [
        QuantNeuralNetClassifier(**SMALL, class_weight=weight).fit(X_train[:200], y_train[:200]).predict(X_test).mean()
        for weight in ({0: 1, 1: 30}, "balanced", {0: 30, 1: 1})
    ]
    assert shares[0] > shares[1] > shares[2]
    with pytest.raises(InvalidInputError, match="class_weight is 'even'"):
        QuantNeuralNetClassifier(class_weight="even").fit(X_train, y_train)


def test_a_grid_can_be_searched(cancer):
    search = GridSearchCV(QuantNeuralNetClassifier(**{**SMALL, "max_epochs": 1}), {"kept_bits": [1, 3]}, cv=2)
    search.fit(cancer[0][:120], cancer[2][:120])
    assert search.best_params_["kept_bits"] in (1, 3)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


CHECKED = (
    QuantNeuralNetClassifier((8,), max_epochs=1, random_state=0),
    QuantNeuralNetRegressor((8,), max_epochs=1, random_state=0),
)
LEARNING = ("check_class_weight_classifiers", "check_classifiers_train", "check_regressors_train")
"""Checks that want a good score, and so more epochs; tools/bench shows those."""


@pytest.mark.parametrize(
    ("estimator", "check"),
    [pair for each in CHECKED for pair in estimator_checks_generator(each) if pair[1].func.__name__ not in LEARNING],
    ids=lambda value: type(value).__name__ if hasattr(value, "fit") else value.func.__name__,
)
def test_scikit_learns_checks(estimator, check):
    check(estimator)
