"""compile(scheme="squares"): networks whose activation is x², exact under encryption, or refused with what to do."""

from itertools import pairwise

import cryptable as ct
import numpy as np
import pytest
import torch
from cryptable.cost.prices import price_list
from cryptable.errors import ConstantModelError, UnsupportedModelError
from cryptable.graphs.network import Layer, SegmentedNetwork
from cryptable.planner.squares.integers import Fineness, InputLevels, circuit_of, round_layers
from cryptable.planner.squares.square_layers import square_layers
from cryptable_engine import interpret, verify
from cryptable_protocol import InvalidInputError, Link, UnusedFeature
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from sklearn.tree import DecisionTreeClassifier

ROWS = np.random.default_rng(0).normal(size=(300, 6)).astype(np.float32)


class Squares(torch.nn.Module):
    """Layers with x² between them, and whatever else is asked for."""

    def __init__(self, *widths, skips=False, last=None, activation=lambda sums: sums * sums):
        super().__init__()
        torch.manual_seed(len(widths))
        self.layers = torch.nn.ModuleList(torch.nn.Linear(*pair) for pair in pairwise(widths))
        self.skip = torch.nn.Linear(widths[0], widths[-1]) if skips else None
        self.last, self.activation = last, activation

    def forward(self, rows):
        values = rows
        for layer in self.layers[:-1]:
            values = self.activation(layer(values))
        values = self.layers[-1](values)
        if self.skip is not None:
            values = values + self.skip(rows)
        return values if self.last is None else self.last(values)


def compiled(network, **options):
    return ct.compile(network, ROWS, scheme="squares", show_progress=False, **options)


def own(network, rows=ROWS):
    return network(torch.tensor(rows)).detach().numpy()


@pytest.mark.encrypted
def test_a_network_of_one_square_is_exact_and_near_its_own(tmp_path):
    network = Squares(6, 8, 3)
    model = compiled(network)
    spec = model.artifact.client_spec
    assert (spec.scheme, spec.p_error, model.artifact.format_version) == ("squares", 2.0**-128, 2)
    clear = model.predict(ROWS[:3])
    for mode in ("simulate", "encrypted"):
        assert np.array_equal(model.predict(ROWS[:3], mode=mode), clear)
    error = model.predict(ROWS) - own(network)
    assert np.sqrt((error**2).mean(axis=0)).max() <= 0.021 * own(network).std(axis=0).max()
    model.save(tmp_path / "model.cryptable")
    assert np.array_equal(ct.load(tmp_path / "model.cryptable").predict(ROWS[:1], mode="encrypted"), clear[:1])


@pytest.mark.encrypted
def test_two_squares_and_a_softmax():
    network = Squares(
        6, 5, 4, 3, last=torch.nn.Softmax(1), activation=lambda sums: torch.pow(sums, 2) * 0.5 + 0.1 * sums
    )
    model = compiled(network)
    assert np.mean(model.predict(ROWS) == own(network).argmax(axis=1)) > 0.9
    assert model.agreement.rms < 0.15
    assert np.array_equal(model.predict(ROWS[:1], mode="encrypted"), model.predict(ROWS[:1]))
    facts = model.explain()
    assert (facts.lookups, facts.squares.squares_by_layer) == (0, (5, 4))


def test_explain_says_squares_moduli_and_what_the_layout_tells():
    facts = compiled(Squares(6, 8, 3)).explain()
    told = " ".join(str(facts).replace("│", " ").split())
    for words in (
        "8 values, in one multiplication",
        "no bootstrapping",
        "2^-128 an answer",
        "sound bounds",
        "widths of the",
    ):
        assert words in told
    assert "gives its weights away" not in told
    assert facts.to_dict()["squares"]["moduli"] == list(facts.squares.moduli)
    assert facts.cpu_seconds_predicted > 0.01
    facts.plot()


def test_a_tolerance_is_kept_and_costs_bits():
    network = Squares(6, 8, 1)
    finer = compiled(network, tolerance=0.002)
    assert np.abs(finer.predict(ROWS) - own(network)[:, 0]).max() <= 0.002
    assert finer.explain().output_bits > compiled(network).explain().output_bits
    with pytest.raises(UnsupportedModelError, match="raise tolerance="):
        compiled(network, tolerance=1e-9)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (Squares(6, 8, 3, activation=torch.relu), "computes something else"),
        (Squares(6, 8, 3, skips=True), "skip connection"),
        (torch.nn.Linear(6, 2), "activation x²"),
    ],
)
def test_other_networks_are_refused_with_what_to_do(network, message):
    with pytest.raises(UnsupportedModelError, match=message):
        compiled(network)


def test_other_models_and_options_of_lookups_are_refused():
    tree = DecisionTreeClassifier(max_depth=2).fit(ROWS, ROWS[:, 0] > 0)
    with pytest.raises(
        UnsupportedModelError, match=r"scheme 'squares' does not evaluate .*only .*a network of squares"
    ):
        compiled(tree)
    with pytest.raises(InvalidInputError, match="scheme 'squares' has no lookups"):
        compiled(Squares(6, 8, 3), table_bits=4)
    with pytest.raises(InvalidInputError, match="keys_of is not for the scheme squares"):
        compiled(Squares(6, 8, 3), keys_of=ct.compile(tree, ROWS))


def graph_of(random, *, features=4, widths=(3,), outputs=2):
    """Layers of a s² + b s + c, each element with its own coefficients."""
    layers, known = [], features
    for index, width in enumerate(widths):
        before = (known - (widths[index - 1] if index else features), known)
        matrix = np.zeros((width, known))
        matrix[:, before[0] :] = random.normal(size=(width, known - before[0]))
        scale, slope, rest = random.normal(size=(3, width)) + np.array([[2], [0], [0]])

        def function(sums, scale=scale, slope=slope, rest=rest):
            return scale * sums**2 + slope * sums + rest

        layers.append(Layer(f"layer {index}", csr_array(matrix), random.normal(size=width), function))
        known += width
    last = np.zeros((outputs, known))
    last[:, known - widths[-1] :] = random.normal(size=(outputs, widths[-1]))
    names = tuple(f"x{index}" for index in range(features))
    return SegmentedNetwork(names, tuple(layers), csr_array(last), random.normal(size=outputs), Link.IDENTITY, None)


@given(seed=st.integers(0, 2**32), widths=st.sampled_from([(1,), (3,), (2, 3)]))
@settings(max_examples=20, deadline=None)
def test_squares_are_the_network_and_integers_come_near_it(seed, widths):
    random = np.random.default_rng(seed)
    graph = graph_of(random, widths=widths)
    rows = random.normal(size=(100, 4))
    layers = square_layers(graph)
    reference = graph.scores(rows)
    np.testing.assert_allclose(layers.scores(rows), reference, rtol=1e-6, atol=1e-6 * np.abs(reference).max())
    levels = InputLevels.of(layers, rows)
    fineness = Fineness(6, 5, 7)
    integers = round_layers(layers, levels, fineness)
    circuit = circuit_of(integers, np.full(levels.used.size, 2**fineness.inputs - 1))
    verify(circuit)
    encoded = levels.encode(rows, fineness.inputs)
    found = interpret(circuit, encoded)
    values = encoded
    for weights, offset in zip(integers.weights[:-1], integers.offsets, strict=True):
        values = (values @ weights.T + offset) ** 2
    exact = values @ integers.weights[-1].T
    assert (found - circuit.nodes[-1].offset == exact).all()
    # In doubles, which are whole up to 2^53 only.
    np.testing.assert_allclose(integers.sums(encoded), exact, rtol=0, atol=1e-13 * np.abs(exact).max())
    assert price_list(scheme="squares").circuit(circuit) > 0


def test_features_that_are_not_read_are_not_sent():
    rows = ROWS.copy()
    rows[:, 2] = 1.5
    network = Squares(6, 4, 2)
    with torch.no_grad():
        network.layers[0].weight[:, 4] = 0.0
    model = ct.compile(network, rows, scheme="squares", show_progress=False)
    unused = [isinstance(each, UnusedFeature) for each in model.artifact.client_spec.features]
    assert unused == [False, False, True, False, True, False]
    with torch.no_grad():
        network.layers[1].weight[:] = 0.0
    with pytest.raises((ConstantModelError, UnsupportedModelError)):
        ct.compile(network, rows, scheme="squares", show_progress=False)
