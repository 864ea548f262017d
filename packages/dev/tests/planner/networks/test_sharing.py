"""Convolutions whose weights are shared: found in matrices, quantized alike, and the same integers as the matrices."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from cryptable.compiling.plan import plan
from cryptable.compiling.settings import CompileSettings
from cryptable.importers.networks.import_network import import_network
from cryptable.planner.networks import layer_sums, sharing
from cryptable.planner.networks.convolutions import dilated, shared_weights
from cryptable.planner.networks.lower import lower
from cryptable.planner.networks.quantize import Precision, quantize
from cryptable_engine import Convolution, Linear, interpret
from cryptable_protocol import encode_rows
from scipy.sparse import csr_array
from torch import nn


def matrix_of(module, shape):
    """What a linear module does to a basis, shape (elements, elements before), and the shape of its values."""
    size = int(np.prod(shape))
    with torch.no_grad():
        images = module.double()(torch.eye(size, dtype=torch.float64).reshape(size, *shape))
        images = images - module(torch.zeros(1, *shape, dtype=torch.float64))
    dense = images.reshape(size, -1).numpy().T
    return csr_array(np.where(np.abs(dense) > 1e-12, dense, 0.0)), tuple(images.shape[1:])


def expanded(weights, groups, strides, dilations, before, shape, places):
    """The matrix of a Convolution, by its own definition."""
    filters = weights.shape[0]
    ones = np.zeros(filters * int(np.prod(places)), np.int64)
    node = Convolution(0, shape, weights, ones, places, groups, strides, dilations, before)
    windows = node.windows()
    found = np.zeros((filters, len(windows), int(np.prod(shape))))
    for number, kernel in enumerate(weights.reshape(filters, -1)):
        group = number // (filters // groups)
        for place, window in enumerate(windows):
            there = window >= 0
            found[number, place, window[there] + group * (int(np.prod(shape)) // groups)] = kernel[there]
    return found.reshape(-1, found.shape[2])


FOUND = {
    "padded": (nn.Conv2d(3, 4, 3, padding=1), (3, 6, 7), 4 * 27),
    "stride and groups": (nn.Conv2d(4, 8, 3, stride=2, padding=1, groups=2), (4, 8, 8), 8 * 18),
    "pool": (nn.AvgPool2d(2), (4, 8, 8), 4 * 4),
    "padded pool": (nn.AvgPool2d(3, 2, padding=1), (2, 8, 8), 2 * 9),
    "one axis, dilated": (nn.Conv1d(2, 3, 3, dilation=2, padding=2), (2, 12), 3 * 6),
    "three axes": (nn.Conv3d(2, 2, 2, stride=(1, 2, 1)), (2, 4, 6, 5), 2 * 16),
    "depthwise": (nn.Conv2d(4, 4, 3, padding=1, groups=4), (4, 5, 5), 4 * 9),
    "of a pool": (nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(4, 8, 3, padding=1)), (4, 12, 12), 8 * 4 * 36),
    "and a pool": (nn.Sequential(nn.Conv2d(2, 3, 3), nn.AvgPool2d(3, 2)), (2, 15, 15), 3 * 2 * 25),
    "a long stride": (nn.Conv2d(3, 4, 5, stride=3, padding=2), (3, 16, 16), 4 * 75),
    "one tap of four": (nn.Conv2d(2, 2, 1, stride=2), (2, 8, 8), 2 * 2),
}


@pytest.mark.parametrize(("module", "shape", "size"), FOUND.values(), ids=list(FOUND))
def test_convolutions_are_found_in_their_matrices(module, shape, size):
    torch.manual_seed(0)
    matrix, target = matrix_of(module, shape)
    found = shared_weights(matrix, shape, target)
    assert found is not None
    weights, dilations = dilated(found)
    assert weights.size == size
    exact = expanded(weights, found.groups, found.strides, dilations, found.before, shape, target[1:])
    np.testing.assert_allclose(exact, matrix.toarray(), atol=1e-12)


def test_what_only_looks_like_one_is_none():
    torch.manual_seed(0)
    matrix, target = matrix_of(nn.Conv2d(2, 3, 3, padding=1), (2, 6, 6))
    assert shared_weights(matrix, (2, 6, 6), target) is not None
    other = csr_array(matrix.copy())
    other.data[7] *= 1 + 1e-6
    assert shared_weights(other, (2, 6, 6), target) is None
    other.data[7] = 0
    other.eliminate_zeros()
    assert shared_weights(other, (2, 6, 6), target) is None
    dense, target = matrix_of(nn.Sequential(nn.Flatten(), nn.Linear(32, 32), nn.Unflatten(1, (2, 4, 4))), (2, 4, 4))
    assert shared_weights(dense, (2, 4, 4), target) is None


class Residual(nn.Module):
    """Two convolutions in groups, and what goes by them, through one of a single tap."""

    def __init__(self):
        super().__init__()
        self.first, self.second = (
            nn.Conv2d(2, 4, 3, stride=2, padding=1),
            nn.Conv2d(4, 4, 3, padding=2, dilation=2, groups=2),
        )
        self.past, self.scores = nn.Conv2d(2, 4, 1, stride=2), nn.Linear(144, 3)

    def forward(self, rows):
        hidden = torch.tanh(self.first(rows))
        summed = torch.relu(self.second(hidden) + self.past(rows) + hidden)
        return self.scores(summed.flatten(1))


@pytest.fixture(scope="module")
def rows():
    """Whole numbers from 0 to 9; one pixel is always 0, and so is a channel's only by chance."""
    found = np.random.default_rng(0).integers(0, 10, (120, 2, 12, 12)).astype(np.float32)
    found[:, 0, 0, 0] = 0
    return found


@pytest.mark.parametrize("rounding", ["approximate", "exact"])
@pytest.mark.parametrize("dead", [False, True])
def test_circuits_compute_what_the_matrices_do(monkeypatch, rows, rounding, dead):
    """The oracle is the network of integers, which multiplies by matrices."""
    torch.manual_seed(0)
    module = Residual().eval()
    if dead:  # a channel that is constant
        with torch.no_grad():
            module.first.weight[1] = 0
            module.second.weight[2:] = 0
    monkeypatch.setattr(sharing, "MANY", 1)
    _, segments, numbers = import_network(module, rows)
    integers = quantize(segments, numbers, Precision(bits=4, rounding=rounding))
    names = segments.feature_names
    planned = lower(integers, feature_names=names, link=segments.link, labels=None, rounding=rounding)
    convolutions = [node for node in planned.circuit.nodes if isinstance(node, Convolution)]
    assert len(convolutions) >= 2
    if not dead:  # without its group's other channel, or with few entries left, one may be none
        assert {node.groups for node in convolutions} == {1, 2}
        assert {node.dilations for node in convolutions} == {(1, 1), (2, 2)}
    sent = interpret(planned.circuit, encode_rows(planned.features, numbers))
    expected = integers.scores(integers.input_grid.encode(numbers))
    np.testing.assert_allclose(planned.decoder.decision_function(sent), expected, atol=1e-9)
    # and without convolutions it is the same
    monkeypatch.setattr(layer_sums, "shared_weights", lambda *_: None)
    other = lower(integers, feature_names=names, link=segments.link, labels=None, rounding=rounding)
    assert not any(isinstance(node, Convolution) for node in other.circuit.nodes)
    assert (interpret(other.circuit, encode_rows(other.features, numbers)) == sent).all()


def test_small_networks_have_ranges_of_their_own_at_each_place(monkeypatch, rows):
    """Which is finer at the same price: they are as they were before there were convolutions."""
    torch.manual_seed(0)
    module = Residual().eval()
    settings = CompileSettings(bits=4, scheme="bootstrapped")
    own = plan(module, rows, settings)
    assert not any(isinstance(node, Convolution) for node in own.circuit.nodes)
    monkeypatch.setattr(sharing, "MANY", 1)
    shared = plan(module, rows, settings)
    assert shared.circuit.lookups == 288
    assert 250 < own.circuit.lookups <= 288  # those that are constant on the data are left out
    assert own.agreement.rms < shared.agreement.rms + 0.02 < 0.3
    assert len(shared.circuit.to_bytes()) < 0.7 * len(own.circuit.to_bytes())


def test_pixels_that_are_always_the_same_are_put_where_they_belong(rows):
    """A convolution of an input of which one element is not sent reads it through a Linear."""
    grid = np.arange(8)
    place = np.where(grid == 3, -1, grid - (grid > 3))
    from cryptable.planner.networks.convolutions import Segment
    from cryptable_engine import GroupKind, Input, InputGroup

    nodes = [Input((InputGroup(GroupKind.RANGE, 7, 3),))]
    sums = layer_sums.LayerSums(nodes, place, np.zeros(8, np.int64), (Segment(0, 8, (1, 8)),))
    matrix = csr_array(np.eye(6, 8, dtype=np.int64) + 2 * np.eye(6, 8, 2, dtype=np.int64))
    made = sums.layer(matrix, np.arange(6), (1, 6))
    assert isinstance(made, Convolution)
    assert (made.source, made.dilations, made.weights.ravel().tolist()) == (1, (2,), [1, 2])
    assert isinstance(nodes[1], Linear)
    assert replace(made, source=0).size == 6
