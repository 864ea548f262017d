"""Networks of one hidden layer, levelled: near the network itself, exact under encryption, or refused."""

import cryptable as ct
import numpy as np
import pytest
from activations import ACTIVATIONS
from cryptable.graphs.network import Layer, SegmentedNetwork
from cryptable.planner.levelled.one_layer.hidden_layer import hidden_layer
from cryptable.planner.levelled.one_layer.search import Wish, find
from cryptable_engine import Rotation, interpret, verify
from cryptable_protocol import DigitsEncoder, Link, UnusedFeature, encode_rows
from hypothesis import given, settings
from hypothesis import strategies as st
from keychain import keychain
from scipy.sparse import csr_array
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.decomposition import PCA
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

X, Y = load_breast_cancer(return_X_y=True)
P_ERROR = 2.0**-128
TRAIN, TEST = np.arange(len(X)) % 3 > 0, np.arange(len(X)) % 3 == 0


def network(random, function, *, features=5, neurons=6, outputs=1, skips=False):
    """A random one, and rows for it."""
    first = random.normal(size=(neurons, features))
    last = np.concatenate(
        [random.normal(size=(outputs, features)) * skips, random.normal(size=(outputs, neurons))], axis=1
    )
    layer = Layer("activation", csr_array(first), random.normal(size=neurons), function)
    names = tuple(f"x{index}" for index in range(features))
    graph = SegmentedNetwork(names, (layer,), csr_array(last), random.normal(size=outputs), Link.IDENTITY, None)
    return graph, random.normal(size=(300, features))


def scores(found, rows):
    values = interpret(found.circuit, encode_rows(found.digits.encoders, rows))
    return (values - found.circuit.nodes[-1].offset) * found.unit + found.constant


@given(
    seed=st.integers(0, 2**32),
    name=st.sampled_from([name for name in ACTIVATIONS if name not in ("step", "sine")]),
    neurons=st.integers(3, 9),
    outputs=st.integers(1, 2),
    skips=st.booleans(),
)
@settings(max_examples=6, deadline=None)
def test_scores_are_near_the_networks_own(seed, name, neurons, outputs, skips):
    graph, rows = network(np.random.default_rng(seed), ACTIVATIONS[name], neurons=neurons, outputs=outputs, skips=skips)
    reference = graph.scores(rows)
    found = find(hidden_layer(graph), graph.feature_names, rows, reference, Wish(0.03, P_ERROR))
    verify(found.circuit)
    error = scores(found, rows) - reference
    assert np.sqrt(np.square(error).mean(axis=0)).max() <= 0.05 * reference.std(axis=0).max()


def test_digits_positions_and_a_tolerance_are_kept_where_they_are_asked_for():
    graph, rows = network(np.random.default_rng(3), np.tanh)
    layer, reference = hidden_layer(graph), graph.scores(rows)
    wish = Wish(0.5, P_ERROR, tolerance=1.5, digits=6, positions=256)
    found = find(layer, graph.feature_names, rows, reference, wish)
    assert np.abs(scores(found, rows) - reference).max() <= 1.5
    assert {encoder.digits for encoder in found.digits.encoders} == {6}
    (rotation,) = (node for node in found.circuit.nodes if isinstance(node, Rotation))
    assert rotation.positions == 256
    with pytest.raises(ct.UnsupportedModelError, match=r"tolerance is 1e-05"):
        find(layer, graph.feature_names, rows, reference, Wish(0.5, P_ERROR, tolerance=1e-5, digits=2))


def test_few_levels_have_the_digits_that_they_need_and_constants_none():
    graph, rows = network(np.random.default_rng(4), np.tanh)
    rows[:, 0], rows[:, 1], rows[:, 2] = 7.0, rows[:, 1] > 0, np.rint(2 * rows[:, 2]) / 4
    found = find(hidden_layer(graph), graph.feature_names, rows, graph.scores(rows), Wish(0.03, P_ERROR))
    constant, binary, quarters = found.digits.encoders[:3]
    assert isinstance(constant, UnusedFeature)
    assert (binary.digits, binary.lower, binary.step) == (1, 0.0, 1.0)
    assert quarters.step == 0.25
    assert isinstance(found.digits.encoders[3], DigitsEncoder)


def test_equal_neurons_are_one_and_idle_ones_none():
    graph, rows = network(np.random.default_rng(5), np.tanh, neurons=3)
    (layer,) = graph.layers
    twice = Layer("twice", csr_array(layer.matrix.toarray()[[0, 1, 1, 2]]), layer.offset[[0, 1, 1, 2]], np.tanh)
    last = np.concatenate([np.zeros((1, 5)), [[1.0, 0.5, 0.25, 0.0]]], axis=1)
    graph = SegmentedNetwork(graph.feature_names, (twice,), csr_array(last), np.zeros(1), Link.IDENTITY, None)
    found = find(hidden_layer(graph), graph.feature_names, rows, graph.scores(rows), Wish(0.03, P_ERROR))
    (rotation,) = (node for node in found.circuit.nodes if isinstance(node, Rotation))
    assert rotation.neurons == 2


@pytest.mark.encrypted
def test_a_classifier_in_a_pipeline_is_exact_under_encryption_and_as_good_as_itself():
    model = make_pipeline(StandardScaler(), MLPClassifier((8,), max_iter=800, alpha=0.01, random_state=0))
    model.fit(X[TRAIN], Y[TRAIN])
    compiled = ct.compile(model, X[TRAIN], scheme="levelled")
    assert (compiled.predict(X[TEST]) == model.predict(X[TEST])).mean() >= 0.98
    values = interpret(compiled.circuit, encode_rows(compiled.artifact.client_spec.features, X[TEST][:2]))
    assert (keychain().evaluate(compiled, X[TEST][:2]) == values).all()
    facts = compiled.explain().to_dict()["levelled"]
    assert (facts["tables"], facts["products"]) == (8, compiled.circuit.products)
    assert facts["log2_failure"] <= -128
    assert compiled.explain().to_dict()["bytes"]["input_row"] < 10_000
    assert "bits turn 8 tables" in str(compiled.explain())


@pytest.mark.filterwarnings("ignore::cryptable.AgreementWarning")  # mixed columns have many bits: about 0.05
def test_a_regression_of_mixed_columns():
    rows, target = load_diabetes(return_X_y=True)
    model = make_pipeline(
        StandardScaler(),
        PCA(5),
        MLPRegressor(hidden_layer_sizes=(6,), activation="logistic", solver="lbfgs", max_iter=3000, random_state=0),
    ).fit(rows, target)
    compiled = ct.compile(model, rows, scheme="levelled")
    own = model.predict(rows)
    assert np.sqrt(np.mean((compiled.predict(rows) - own) ** 2)) < 0.06 * own.std()


def test_deeper_networks_are_refused_with_the_layers_names():
    model = MLPClassifier((4, 3), max_iter=5, random_state=0)
    with pytest.warns(match="converge"):
        model.fit(X[:50], Y[:50])
    with pytest.raises(
        ct.UnsupportedModelError, match=r"this one has 2 \('hidden layer 1', 'hidden layer 2'\).*scheme='bootstrapped'"
    ):
        ct.compile(model, X[:50], scheme="levelled")


def test_bits_are_positions_or_are_refused():
    model = MLPRegressor(hidden_layer_sizes=(3,), activation="identity", max_iter=5, random_state=0)
    with pytest.warns(match="converge"):
        model.fit(X[:50, :4], X[:50, 5])
    with pytest.raises(ct.UnsupportedModelError, match="one layer of activations, this one has 0"):
        ct.compile(model, X[:50, :4], scheme="levelled")
    other = MLPRegressor(hidden_layer_sizes=(3,), max_iter=5, random_state=0)
    with pytest.warns(match="converge"):
        other.fit(X[:50, :4], X[:50, 5])
    with pytest.raises(ct.UnsupportedModelError, match="2\\^bits positions"):
        ct.compile(other, X[:50, :4], scheme="levelled", bits={"relu": 3})


def test_scores_that_are_far_from_the_networks_own_are_warned_of():
    rows, target = load_diabetes(return_X_y=True)
    model = MLPRegressor(hidden_layer_sizes=(6,), activation="tanh", solver="lbfgs", max_iter=3000, alpha=1.0)
    model.fit(rows[:, :4], target / target.std())
    with pytest.warns(ct.AgreementWarning, match=r"scores differ by .* of their deviation.*more input_bits="):
        ct.compile(model, rows[:, :4], scheme="levelled", input_bits=3, show_progress=False)
