"""Convolutions of torch and ONNX before squares: in the client's windows, with shared weights and no dense matrix."""

import math
import tracemalloc

import cryptable as ct
import numpy as np
import onnx
import pytest
import torch
from cryptable.errors import UnsupportedModelError
from cryptable.importers.networks.import_network import import_network
from cryptable.planner.squares.integers import Fineness, InputLevels, circuit_of, first_convolution, round_layers
from cryptable.planner.squares.square_layers import is_of_squares, square_layers
from cryptable_engine import Convolution, Linear, interpret
from cryptable_protocol import UnusedFeature, encode_rows
from onnx import TensorProto, helper, numpy_helper

SQUARES = {
    "Mul": [helper.make_node("Mul", ["sums", "sums"], ["squares"])],
    "Pow": [helper.make_node("Pow", ["sums", "two"], ["squares"])],
    "scaled": [
        helper.make_node("Mul", ["sums", "two"], ["doubled"]),
        helper.make_node("Mul", ["doubled", "sums"], ["twice"]),
        helper.make_node("Sub", ["twice", "sums"], ["squares"]),
    ],
}
"""x², x², and 2 x² - x."""


def network(shape, *, filters=4, kernel=(3, 3), square="Mul", outputs=3, seed=0, dead=False, flat=False, **attributes):
    """Conv, a square, and a linear layer: an ONNX model of rows of `shape`, and random rows."""
    random = np.random.default_rng(seed)
    groups = attributes.get("group", 1)
    kernels = random.normal(size=(filters, shape[0] // groups, *kernel)) / math.sqrt(math.prod(kernel))
    if dead:
        kernels[1] = 0.0
    convolved = torch.nn.functional.conv2d(
        torch.zeros(1, *shape, dtype=torch.float64),
        torch.tensor(kernels),
        stride=attributes.get("strides", 1),
        padding=(attributes.get("pads") or [0])[0],
        dilation=attributes.get("dilations", 1),
        groups=groups,
    )
    size = convolved[0].numel()
    constants = {
        "kernels": kernels,
        "biases": random.normal(size=filters),
        "two": np.array(2.0),
        "weights": random.normal(size=(size, outputs)) / math.sqrt(size),
        "offsets": random.normal(size=outputs),
    }
    initializers = [numpy_helper.from_array(each.astype(np.float32), name) for name, each in constants.items()]
    initializers.append(numpy_helper.from_array(np.array([-1, *shape]), "shape"))
    given = helper.make_node("Reshape", ["rows", "shape"], ["images"])
    nodes = [
        given if flat else helper.make_node("Identity", ["rows"], ["images"]),
        helper.make_node("Conv", ["images", "kernels", "biases"], ["sums"], name="first", **attributes),
        *SQUARES[square],
        helper.make_node("Flatten", ["squares"], ["values"]),
        helper.make_node("Gemm", ["values", "weights", "offsets"], ["scores"]),
    ]
    row = (math.prod(shape),) if flat else shape
    graph = helper.make_graph(
        nodes,
        "images",
        [helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["n", *row])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", outputs])],
        initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    rows = random.uniform(0, 1, (60, *row)).astype(np.float32)
    return model, rows


def traced(model, rows):
    return import_network(model, rows)[1]


KINDS = {
    "padded": {"shape": (1, 6, 6), "pads": [1, 1, 1, 1]},
    "strides": {"shape": (2, 7, 7), "strides": [2, 2], "square": "Pow"},
    "two kernels' sizes, dilated": {"shape": (1, 8, 7), "kernel": (3, 2), "dilations": [2, 1], "square": "scaled"},
    "groups": {"shape": (4, 5, 5), "group": 2, "square": "scaled"},
    "a filter of zeros": {"shape": (1, 6, 6), "dead": True},
    "flat rows": {"shape": (1, 6, 6), "flat": True},
    "flat rows of colours": {"shape": (3, 5, 5), "flat": True, "pads": [1, 1, 1, 1]},
}


@pytest.mark.parametrize("how", KINDS.values(), ids=KINDS)
def test_windows_compute_what_the_matrix_does_and_what_the_network_does(how):
    model, rows = network(**how)
    graph = traced(model, rows)
    layers = square_layers(graph)
    flat = rows.reshape(len(rows), -1).astype(np.float64)
    wanted = graph.scores(flat)
    np.testing.assert_allclose(layers.scores(flat), wanted, atol=1e-6 * np.abs(wanted).max())
    assert layers.grids[0] == how["shape"]
    levels, fineness = InputLevels.of(layers, flat), Fineness(5, 6, 7)
    integers = round_layers(layers, levels, fineness).without_idle()
    convolution = first_convolution(integers)
    assert convolution.shape == how["shape"]
    assert convolution.groups == how.get("group", 1)
    maxima = np.full(levels.used.size, 31)
    whole = circuit_of(integers, maxima, convolution)
    dense = integers.weights[0].toarray(), *integers.weights[1:]
    matrix = circuit_of(type(integers)(dense, integers.offsets, integers.unit, integers.base), maxima)
    assert (type(whole.nodes[1]), type(matrix.nodes[1])) == (Convolution, Linear)
    encoded = levels.encode(flat, 5)
    # Bounds, and so the offsets of scores, are not the same: one knows quadratic forms.
    values = [interpret(each, encoded) - each.nodes[-1].offset for each in (whole, matrix)]
    np.testing.assert_array_equal(*values)
    np.testing.assert_array_equal(values[0], integers.sums(encoded).astype(np.int64))
    found = integers.scores(encoded)
    assert np.sqrt(np.square(found - wanted).mean(axis=0)).max() < 0.2 * wanted.std(axis=0).max()


class LeNet(torch.nn.Module):
    """A convolution, a square, means of windows, and a linear layer."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first = torch.nn.Conv2d(1, 3, 3, stride=2, padding=1)
        self.pool, self.last = torch.nn.AvgPool2d(2), torch.nn.Linear(12, 3)

    def forward(self, images):
        values = self.pool(torch.square(self.first(images)))
        return self.last(values.flatten(1))


@pytest.mark.encrypted
def test_a_small_lenet_of_torch_on_an_encrypted_image(tmp_path):
    module = LeNet()
    rows = np.random.default_rng(0).uniform(0, 1, (200, 1, 8, 8)).astype(np.float32)
    model = ct.compile(module, rows, scheme="squares", show_progress=False)
    convolution = model.circuit.nodes[1]
    assert isinstance(convolution, Convolution)
    assert convolution.weights.shape == (3, 1, 3, 3)
    assert model.artifact.client_spec.parameters.windows is not None
    scores = module(torch.tensor(rows)).detach().numpy()
    error = model.predict(rows) - scores
    assert np.sqrt((error**2).mean(axis=0)).max() < 0.03 * scores.std(axis=0).max()
    clear = interpret(model.circuit, encode_rows(model.artifact.client_spec.features, rows[:1].reshape(1, -1)))
    assert clear.shape == (1, 3)
    np.testing.assert_array_equal(model.predict(rows[:1], mode="encrypted"), model.predict(rows[:1]))
    model.save(tmp_path / "images.cryptable")
    np.testing.assert_array_equal(ct.load(tmp_path / "images.cryptable").predict(rows), model.predict(rows))


def test_a_large_image_is_never_a_dense_matrix():
    model, rows = network((1, 96, 96), filters=8, kernel=(6, 6), strides=[6, 6])
    graph = traced(model, rows[:8])
    assert is_of_squares(graph)
    cells = math.prod(graph.layers[0].matrix.shape)
    tracemalloc.start()
    layers = square_layers(graph)
    levels = InputLevels.of(layers, rows.reshape(len(rows), -1).astype(np.float64))
    integers = round_layers(layers, levels, Fineness(3, 3, 4)).without_idle()
    circuit = circuit_of(integers, np.full(levels.used.size, 7), first_convolution(integers))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert isinstance(circuit.nodes[1], Convolution)
    assert most < cells  # bytes: an eighth of such a matrix in doubles


def test_without_room_for_windows_it_is_a_matrix_and_a_large_one_is_refused_with_what_to_do(monkeypatch):
    model, rows = network((3, 14, 14), kernel=(5, 5), filters=1)  # 128 taps at 128 places: twice too many
    compiled = ct.compile(model, rows, scheme="squares", show_progress=False)
    assert isinstance(compiled.circuit.nodes[1], Linear)
    monkeypatch.setattr("cryptable.planner.squares.square_layers._MOST_CELLS", 1000)
    with pytest.raises(UnsupportedModelError, match="a larger stride makes places fewer"):
        square_layers(traced(model, rows)).dense()


def test_a_channel_that_never_varies_is_no_part_of_windows():
    model, rows = network((2, 5, 5))
    rows[:, 1] = 0.5
    compiled = ct.compile(model, rows, scheme="squares", show_progress=False)
    assert isinstance(compiled.circuit.nodes[1], Linear)
    assert [isinstance(each, UnusedFeature) for each in compiled.artifact.client_spec.features] == [False] * 25 + [
        True
    ] * 25
    assert compiled.agreement.rms < 0.03
