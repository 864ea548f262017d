import numpy as np
import pytest
import torch
from cryptable.neural import QuantConvNetwork, SparseQuantNeuralNetwork
from cryptable.neural.input_levels import InputLevels
from cryptable.neural.read_integers import read_integers
from cryptable_protocol import InvalidInputError


def _rows(network, levels, integers):
    half = 1 << (levels.bits - 1)
    return torch.from_numpy((integers - half) * network.precision.input_step).float()


@pytest.mark.parametrize(
    ("network", "shape"),
    [
        (lambda: SparseQuantNeuralNetwork(12, 3, (9, 7), kept_bits=2, value_bits=2), (12,)),
        (lambda: SparseQuantNeuralNetwork(12, 1, (), input_bits=6), (12,)),
        (lambda: SparseQuantNeuralNetwork(12, 2, (5,), activation="relu", max_active_weights=3), (12,)),
        (lambda: SparseQuantNeuralNetwork(12, 2, (5,), activation="sine", power_of_two_scales=True), (12,)),
        (lambda: QuantConvNetwork((1, 6, 6), 3, (2,), hidden_layer_sizes=(4,)), (1, 6, 6)),
        (lambda: QuantConvNetwork((2, 7, 5), 2, (2, 3), pool_size=1, kernel_size=2), (2, 7, 5)),
    ],
)
def test_integers_are_those_of_the_module(network, shape):
    torch.manual_seed(0)
    network = network().eval()
    generator = np.random.default_rng(0)
    bits, features = network.precision.input_bits, int(np.prod(shape))
    levels = InputLevels(np.zeros(features), np.ones(features), bits)
    integers = generator.integers(0, 1 << bits, (200, features))
    found = read_integers(network, levels, shape)
    variables = found.grid.numbers(found.integers(integers))[:, features:]
    with torch.no_grad():
        values, expected = network.rows(_rows(network, levels, integers).reshape(-1, *shape)), []
        for layer in network.hidden:
            values = layer(values)
            if not isinstance(layer, torch.nn.Flatten):
                expected.append(values.flatten(1).numpy())
        scores = network(_rows(network, levels, integers)).numpy()
    if expected:
        np.testing.assert_array_equal(variables, np.concatenate(expected, axis=1))
    np.testing.assert_allclose(found.scores(integers), scores, atol=1e-5)


def test_pruning_keeps_the_largest_weights_and_lets_others_come_back():
    network = SparseQuantNeuralNetwork(20, 2, (6,), max_active_weights=4)
    weight = network.hidden[0].sums.weight
    assert ((weight != 0).sum(dim=1) == 4).all()
    network(torch.randn(30, 20)).square().sum().backward()
    original = network.hidden[0].sums.parametrizations.weight.original
    assert int((original.grad != 0).sum(dim=1).max()) == 20


def test_a_power_of_two_is_the_scale_where_asked_for():
    network = SparseQuantNeuralNetwork(20, 2, (6,), power_of_two_scales=True)
    exponent = np.log2(float(network.output.quant_weight().scale.detach()))
    assert exponent == round(exponent)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kept_bits": 0}, "kept_bits is 0, expected 1 to 7"),
        ({"weight_bits": 40}, "weight_bits is 40, expected 2 to 12"),
        ({"hidden_layer_sizes": (4, 0)}, "hidden_layer_sizes is"),
        ({"max_active_weights": 0}, "max_active_weights is 0"),
    ],
)
def test_arguments_out_of_range_are_named(arguments, message):
    with pytest.raises(InvalidInputError, match=message):
        SparseQuantNeuralNetwork(4, 2, **arguments)


def test_images_that_are_too_small_are_refused():
    with pytest.raises(InvalidInputError, match="4 x 4 pixels are too small for block 2"):
        QuantConvNetwork((1, 4, 4), 2, (2, 2))
