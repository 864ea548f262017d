"""Networks of cryptable.neural with one hidden layer, levelled: as near as floats are, exactly at best, or refused."""

import cryptable as ct
import numpy as np
import pytest
from cryptable.compiling.plan import plan
from cryptable.compiling.settings import CompileSettings
from cryptable.graphs.integers import Grid, IntegerLayer, IntegerNetwork
from cryptable.graphs.trained_integers import TrainedIntegers
from cryptable.planner.levelled.one_layer.search import Wish, find
from cryptable.planner.levelled.one_layer.trained import staircase_of
from cryptable_engine import interpret
from cryptable_protocol import DigitsEncoder, Link, encode_rows
from keychain import keychain
from scipy.sparse import csr_array
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

X, Y = load_breast_cancer(return_X_y=True)
X = X[:, :8]
P_ERROR = 2.0**-128


def trained(random, *, features=5, neurons=4, outputs=1, dropped_bits=3):
    """Integers as training makes them: inputs of 3 bits, tables of 3."""
    weights = random.integers(-7, 8, size=(neurons, features))
    grid = Grid(random.normal(size=features), 0.1 + random.random(features), np.full(features, 7))
    layer = IntegerLayer(
        name="hidden 1",
        weights=csr_array(weights),
        offset=random.integers(-20, 20, size=neurons),
        width=3,
        dropped_bits=dropped_bits,
        tables=np.tile(np.arange(8), (neurons, 1)),
        mirrors=np.full(neurons, 8),
        elements=np.arange(neurons),
        outputs=neurons,
    )
    values = Grid(np.full(neurons, -1.0), np.full(neurons, 0.25), np.full(neurons, 8))
    last = np.concatenate(
        [np.zeros((outputs, features), np.int64), random.integers(-9, 10, (outputs, neurons))], axis=1
    )
    network = IntegerNetwork(
        grid.followed_by(values), features, (layer,), csr_array(last), 0.125, random.normal(size=outputs)
    )
    names = tuple(f"x{index}" for index in range(features))
    rows = grid.zero + grid.step * (8 * random.random((300, features)) - 0.5)
    return TrainedIntegers(network, Link.IDENTITY, None, names), rows


@pytest.mark.parametrize("outputs", [1, 2])
def test_a_position_for_each_sum_rounds_nothing(outputs):
    graph, rows = trained(np.random.default_rng(2), outputs=outputs)
    staircase, grid = staircase_of(graph), graph.network.input_grid
    on_grid = grid.numbers(grid.encode(rows))
    assert np.abs(staircase.layer.scores(on_grid) - graph.scores(rows)).max() < 1e-9
    found = find(staircase.layer, graph.feature_names, on_grid, graph.scores(rows), Wish(1e-4, P_ERROR), staircase)
    values = interpret(found.circuit, encode_rows(found.digits.encoders, rows))
    scores = (values - found.circuit.nodes[-1].offset) * found.unit + found.constant
    assert np.abs(scores - graph.scores(rows)).max() < 0.01 * graph.scores(rows).std()


def test_inputs_are_the_integers_of_the_training():
    graph, rows = trained(np.random.default_rng(3))
    staircase, grid = staircase_of(graph), graph.network.input_grid
    on_grid = grid.numbers(grid.encode(rows))
    on_grid = on_grid[on_grid[:, 0] < grid.zero[0] + 3.5 * grid.step[0]]  # fewer levels than it was trained on
    found = find(staircase.layer, graph.feature_names, on_grid, graph.scores(on_grid), Wish(0.02, P_ERROR), staircase)
    for feature, encoder in enumerate(found.digits.encoders):
        assert isinstance(encoder, DigitsEncoder)
        assert (encoder.lower, encoder.step, encoder.digits) == (grid.zero[feature], grid.step[feature], 3)


@pytest.fixture(scope="module")
def estimator():
    options = {"hidden_layer_sizes": (6,), "input_bits": 3, "weight_bits": 4, "max_epochs": 12, "random_state": 0}
    return ct.neural.QuantNeuralNetClassifier(**options).fit(X[::2], Y[::2])


@pytest.mark.encrypted
def test_an_estimator_is_levelled_and_exact_under_encryption(estimator):
    model = ct.compile(estimator, X[::2], scheme="levelled", show_progress=False)
    assert model.artifact.client_spec.scheme == "levelled"
    assert model.circuit.products
    assert (model.predict(X[1::2]) == estimator.predict(X[1::2])).mean() >= 0.98
    clear = interpret(model.circuit, encode_rows(model.artifact.client_spec.features, X[:2]))
    assert (keychain().evaluate(model, X[:2]) == clear).all()
    facts = model.explain().to_dict()
    assert facts["levelled"]["log2_failure"] <= -128


@pytest.mark.encrypted
def test_auto_takes_it_where_it_computes_what_was_trained_for_less(estimator):
    model = ct.compile(estimator, X[::2], show_progress=False)
    first, second = model.explain().to_dict()["offers"]
    assert (first["scheme"], second["scheme"]) == ("levelled", "bootstrapped")
    assert first["seconds"] < second["seconds"]
    own = estimator.decision_function(X)
    np.testing.assert_allclose(model.decision_function(X), own, atol=1e-4)  # trained in single precision
    np.testing.assert_array_equal(model.predict(X), estimator.predict(X))
    assert (model.decision_function(X[:2], mode="encrypted") == model.decision_function(X[:2])).all()
    rotation = model.circuit.nodes[1]
    assert rotation.positions == staircase_of(estimator.trained_integers()).half_turn


def test_auto_looks_up_what_has_more_scores_than_there_is_room_for():
    rows, digits = load_digits(return_X_y=True)
    classifier = ct.neural.QuantNeuralNetClassifier((6,), max_epochs=1, random_state=0).fit(rows[:400], digits[:400])
    planned = plan(classifier, rows[:400], CompileSettings())
    assert planned.scheme == "bootstrapped"
    (refused,) = (offer for offer in planned.offers if offer.scheme == "levelled")
    assert "no room for 10 scores as trained" in refused.refusal


def test_behind_a_scaler_inputs_are_those_of_raw_columns():
    pipeline = make_pipeline(
        StandardScaler(),
        ct.neural.QuantNeuralNetClassifier((4,), input_bits=3, weight_bits=3, max_epochs=6, random_state=0),
    ).fit(X[::2], Y[::2])
    model = ct.compile(pipeline, X[::2], scheme="levelled", show_progress=False)
    assert (model.predict(X[1::2]) == pipeline.predict(X[1::2])).mean() >= 0.97


def test_deeper_ones_are_refused():
    deep = ct.neural.QuantNeuralNetClassifier((4, 3), input_bits=3, max_epochs=1, random_state=0).fit(X[:80], Y[:80])
    with pytest.raises(ct.UnsupportedModelError, match=r"this one has 2: a second layer reads sums.*bootstrapped"):
        ct.compile(deep, X[:80], scheme="levelled")
