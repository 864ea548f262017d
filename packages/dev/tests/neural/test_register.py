import numpy as np
import pytest
import torch
from cryptable.neural.activations import ACTIVATIONS, find_activation
from cryptable.neural.register import Register
from cryptable_engine.circuit.circuit import Lookup
from cryptable_engine.circuit.interpreter import read_around
from cryptable_protocol import InvalidInputError
from torch import nn

OF_TORCH = {"ReLU6": nn.ReLU6, "Hardswish": nn.Hardswish, "LeakyReLU": nn.LeakyReLU(0.2), "silu": nn.functional.silu}
EVERY = {**{name: name for name in ACTIVATIONS}, **OF_TORCH}


@pytest.mark.parametrize("activation", EVERY.values(), ids=list(EVERY))
@pytest.mark.parametrize("kept_bits", [1, 2, 4])
def test_values_are_those_of_a_mirrored_lookup(activation, kept_bits):
    register = Register(3, kept_bits=kept_bits, activation=activation, value_bits=4, dropped_bits=3).eval()
    sums = np.arange(-100, 100)  # several turns of the ring, each whole number and all between
    given = torch.from_numpy(np.repeat(sums[:, None] / 8, 3, axis=1)).float()
    with torch.no_grad():
        levels = (register(given).numpy() + 1) * register.mirror / 2
        offset = register.whole_bias().numpy().astype(np.int64)
    lookup = Lookup(0, register.table().numpy()[None], np.zeros(3, np.int64), 3, np.array([register.mirror]))
    expected = read_around(lookup, (sums[:, None] + offset).T).T
    np.testing.assert_array_equal(levels, expected)
    assert np.unique(levels).size > 1


@pytest.mark.parametrize("activation", EVERY.values(), ids=list(EVERY))
def test_an_activation_runs_from_0_to_1(activation):
    ends = find_activation(activation)(torch.tensor([-1.0, 1.0]))
    np.testing.assert_allclose(ends.numpy(), [0.0, 1.0], atol=1e-6)


def test_gradients_reach_sums_and_bias():
    register = Register(2, kept_bits=3, activation="triangle", value_bits=3, dropped_bits=4)
    sums = torch.randn(5, 2, requires_grad=True)
    register(sums).sum().backward()
    assert sums.grad.abs().min() > 0
    assert register.bias.grad.abs().max() > 0


def test_an_unknown_activation_is_named():
    with pytest.raises(InvalidInputError, match="activation is 'swish', expected one of 'triangle', 'sine'"):
        Register(2, kept_bits=3, activation="swish", value_bits=3, dropped_bits=4)


@pytest.mark.parametrize(
    ("activation", "message"),
    [
        (nn.PReLU, "which has parameters of its own"),
        (torch.abs, r"gives \[3.0, 3.0\] at -3.0 and 3.0: expected a function"),
        (torch.sum, "expected a function of each number"),
        (4, "activation is 4, expected one of 'triangle'"),
    ],
    ids=["parameters", "even", "sum", "number"],
)
def test_what_is_no_activation_is_named(activation, message):
    with pytest.raises(InvalidInputError, match=message):
        find_activation(activation)
