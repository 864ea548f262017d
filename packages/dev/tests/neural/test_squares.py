"""activation="square": what is trained is what is evaluated, integer by integer."""

import itertools
import pickle

import cryptable as ct
import numpy as np
import pytest
import torch
from cryptable.graphs.integer_squares import IntegerSquares
from cryptable.neural import QuantConvNetClassifier, QuantNeuralNetClassifier, QuantNeuralNetRegressor
from cryptable.neural.learned_steps import SteppedLinear
from cryptable_engine import CompilationError, Convolution, interpret
from cryptable_protocol import InvalidInputError, encode_rows
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

FEW = {"activation": "square", "input_bits": 3, "weight_bits": 3, "output_weight_bits": 3, "random_state": 0}


@pytest.fixture(scope="module")
def digits():
    return train_test_split(*load_digits(return_X_y=True), test_size=0.2, random_state=0)


@pytest.fixture(scope="module")
def classifier(digits):
    return QuantNeuralNetClassifier((32,), **FEW, max_epochs=10).fit(digits[0], digits[2])


@pytest.fixture(scope="module")
def compiled(classifier, digits):
    return ct.compile(classifier, digits[0], show_progress=False)


def test_digits_are_learned_and_the_integers_are_what_was_learned(classifier, compiled, digits):
    assert classifier.score(digits[1], digits[3]) > 0.96
    assert compiled.artifact.client_spec.scheme == "squares"
    assert len(compiled.artifact.client_spec.parameters.moduli) == 1
    np.testing.assert_allclose(
        compiled.decision_function(digits[1]), classifier.decision_function(digits[1]), rtol=1e-4, atol=1e-4
    )
    np.testing.assert_array_equal(compiled.predict(digits[1]), classifier.predict(digits[1]))
    assert compiled.explain().agreement.labels == 1.0


@pytest.mark.encrypted
def test_it_predicts_on_encrypted_rows(classifier, compiled, digits):
    np.testing.assert_array_equal(compiled.predict(digits[1][:2], mode="encrypted"), classifier.predict(digits[1][:2]))


def test_two_layers_and_a_regression_behind_a_scaler():
    X, y = load_diabetes(return_X_y=True)
    network = QuantNeuralNetRegressor((6, 4), **FEW, max_epochs=10)
    pipeline = make_pipeline(StandardScaler(), network).fit(X, y)
    assert pipeline.score(X, y) > 0.3
    model = ct.compile(pipeline, X, show_progress=False)
    np.testing.assert_allclose(model.predict(X), pipeline.predict(X), rtol=1e-4)
    alone = ct.compile(network.fit(X, y), X, show_progress=False)
    np.testing.assert_allclose(alone.predict(X), network.predict(X), rtol=1e-4)


def test_two_classes_and_features_that_never_vary():
    X, y = load_breast_cancer(return_X_y=True)
    X[:, 3] = 7.0
    classifier = QuantNeuralNetClassifier((4,), **FEW, max_epochs=3, max_active_weights=5).fit(X, y)
    model = ct.compile(classifier, X, show_progress=False)
    np.testing.assert_array_equal(model.predict(X), classifier.predict(X))
    values = interpret(model.circuit, encode_rows(model.artifact.client_spec.features, X))
    assert np.unique(values).size > 20


def test_pickles_predict_the_same(classifier, digits):
    again = pickle.loads(pickle.dumps(classifier))
    np.testing.assert_array_equal(again.decision_function(digits[1]), classifier.decision_function(digits[1]))


@pytest.mark.parametrize(
    "how",
    [
        {"channels": (4,), "kernel_size": 3, "pool_size": 1, "padding": 1, "stride": 2, "hidden_layer_sizes": (8,)},
        {"channels": (2,), "kernel_size": 2, "pool_size": 2},
        {"channels": (2, 2), "kernel_size": 3, "pool_size": 1, "stride": 2, "padding": 1},
    ],
    ids=["a hidden layer behind it", "pools", "two of them"],
)
def test_convolutions_are_what_was_learned_and_share_their_weights(how, digits):
    few = {**FEW, "input_bits": 2, "weight_bits": 2}
    classifier = QuantConvNetClassifier(**how, **few, max_epochs=1).fit(digits[0][:400], digits[2][:400])
    model = ct.compile(classifier, digits[0][:200], show_progress=False)
    assert isinstance(model.circuit.nodes[1], Convolution)
    np.testing.assert_allclose(
        model.decision_function(digits[1]), classifier.decision_function(digits[1]), rtol=1e-4, atol=1e-4
    )
    again = pickle.loads(pickle.dumps(classifier))
    np.testing.assert_array_equal(again.predict(digits[1]), classifier.predict(digits[1]))


def test_a_convolution_that_no_layout_has_room_for_says_what_to_do(digits):
    X, y = np.repeat(np.repeat(digits[0][:100].reshape(-1, 8, 8), 4, axis=1), 4, axis=2), digits[2][:100]
    classifier = QuantConvNetClassifier((2,), kernel_size=5, pool_size=1, **FEW, max_epochs=1).fit(X, y)
    with pytest.raises(CompilationError, match="a larger stride makes places fewer"):
        ct.compile(classifier, X.reshape(100, -1), show_progress=False)


def test_what_no_lookup_and_no_convolution_can_do_is_said(digits):
    with pytest.raises(InvalidInputError, match="needs a hidden layer"):
        QuantNeuralNetClassifier((), **FEW).fit(digits[0], digits[2])
    with pytest.raises(InvalidInputError, match="needs a hidden layer"):
        QuantConvNetClassifier((), **FEW).fit(digits[0], digits[2])
    with pytest.raises(InvalidInputError, match="stride is 0, expected 1 or more"):
        QuantConvNetClassifier(stride=0, **FEW).fit(digits[0], digits[2])
    with pytest.raises(InvalidInputError, match="too small for block 1 with kernel_size=9"):
        QuantConvNetClassifier(kernel_size=9, **FEW).fit(digits[0], digits[2])


def test_too_many_bits_are_refused_with_what_to_do():
    X, y = load_diabetes(return_X_y=True)
    fine = {**FEW, "input_bits": 12, "weight_bits": 12, "output_weight_bits": 12}
    network = QuantNeuralNetRegressor((3, 3), **fine, max_epochs=1).fit(X, y)
    with pytest.raises(ct.UnsupportedModelError, match=r"fewer input_bits= and weight_bits="):
        ct.compile(network, X, show_progress=False)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 2))
def test_idle_neurons_leave_and_scores_stay(seed, depth):
    rng = np.random.default_rng(seed)
    widths = [3, *rng.integers(1, 5, depth), 2]
    weights = tuple(rng.integers(-1, 2, (after, before)) for before, after in itertools.pairwise(widths))
    offsets = tuple(rng.integers(-3, 4, width) for width in widths[1:-1])
    network = IntegerSquares(weights, offsets, 0.5, rng.normal(size=2))
    trimmed = network.without_idle()
    levels = rng.integers(0, 8, (20, 3))
    np.testing.assert_allclose(trimmed.scores(levels), network.scores(levels))
    for index in range(depth):
        assert trimmed.weights[index].any(axis=1).all()
        assert trimmed.weights[index + 1].any(axis=0).all()


def test_steps_follow_their_gradient():
    """Of a line through the points where rounding does not jump, as finite differences have it."""
    torch.manual_seed(0)
    layer = SteppedLinear(5, 4, 3, None)
    values = torch.randn(7, 5)
    layer(values).sum().backward()
    whole = (layer.weight / layer.step).detach()
    outside = whole.abs() > layer.most
    by_weight = values.sum(dim=0).expand(4, 5)
    np.testing.assert_allclose(layer.weight.grad, torch.where(outside, 0.0, by_weight), rtol=1e-5)
    rounded = whole.clamp(-3, 3).round()
    wanted = (by_weight * torch.where(outside, rounded, rounded - whole)).sum() / (20 * 3) ** 0.5
    np.testing.assert_allclose(layer.step.grad, wanted, rtol=1e-5)
    assert layer(values).detach() == pytest.approx(values @ (rounded * layer.step.detach()).T)
