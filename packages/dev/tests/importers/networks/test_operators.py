"""Operators of ONNX: a sample of ONNX' own node tests, networks that combine them, messages of what is not taken."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from cryptable import UnsupportedModelError
from cryptable.compiling.plan import plan
from cryptable.compiling.settings import CompileSettings
from cryptable.importers.networks.import_network import import_network
from cryptable.importers.networks.operators.registry import operator, supported_operators
from cryptable_engine import interpret
from cryptable_protocol import encode_rows
from onnx import TensorProto, helper, numpy_helper

sys.path.insert(0, str(Path(__file__).parents[5] / "tools"))
from onnx_nodes import run_all

SAMPLE = (
    *("asin_example", "averagepool_2d_dilations", "averagepool_2d_precomputed_pads", "basic_conv_with_padding"),
    *("clip_inbounds", "concat_1d_axis_0", "conv_with_autopad_same", "div_example", "elu_example", "erf"),
    *("gather_negative_indices", "hardswish", "max_example", "maxpool_1d_default", "mul_example"),
    *("pow_example", "reduce_max_default", "reduce_mean_default_axes_keepdims_example", "relu"),
    *("sigmoid_example", "split_equal_parts_1d_opset13", "sub_example"),
)


@pytest.mark.parametrize("name", SAMPLE)
def test_node_tests_of_onnx(name):
    results = run_all((name,))
    assert results, f"onnx has no test {name} that is taken"
    assert [each for each in results if each.why] == []


def network(nodes, shape, **constants):
    """One input x of shape (rows, *shape), one output y."""
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", *shape])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", "scores"])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def node(operator_, inputs, output, **attributes):
    return helper.make_node(operator_, inputs, [output], name=f"{operator_} of {output}", **attributes)


def layers(model, shape, rows=50):
    """Sizes of the layers of lookups; importing compares with onnx.reference."""
    X = np.random.default_rng(0).normal(size=(rows, *shape)).astype(np.float32)
    _, segments, _ = import_network(model, X)
    return [layer.size for layer in segments.layers]


def test_a_chain_is_one_lookup_whatever_is_in_it():
    """Swish, and a scale and a shift: x appears twice, and in two affine forms."""
    nodes = [
        node("Add", ["x", "b"], "moved"),
        node("Sigmoid", ["x"], "gate"),
        node("Mul", ["moved", "gate"], "swish"),
        node("Transpose", ["swish"], "turned", perm=[1, 0]),
        node("Exp", ["turned"], "grown"),
        node("Transpose", ["grown"], "y", perm=[1, 0]),
    ]
    assert layers(network(nodes, [3], b=np.float32([1, 2, 3])), (3,)) == [3]


def test_a_function_that_two_operators_read_is_looked_up_once():
    """The residual sum of a layer and what it is made of."""
    w = np.random.default_rng(1).normal(size=(4, 4)).astype(np.float32)
    nodes = [
        node("Relu", ["x"], "h"),
        node("MatMul", ["h", "w"], "z"),
        node("Relu", ["z"], "r"),
        node("Add", ["h", "r"], "y"),
    ]
    assert layers(network(nodes, [4], w=w), (4,)) == [4, 4]


def test_products_of_encrypted_numbers_take_two_lookups_and_squares_one():
    nodes = [
        node("Split", ["x", "parts"], "a", axis=1),
        node("Mul", ["a", "b"], "y"),
    ]
    nodes[0].output.append("b")
    assert layers(network(nodes, [4], parts=np.int64([2, 2])), (4,)) == [2, 2]
    assert layers(network([node("Mul", ["x", "x"], "y")], [4]), (4,)) == [4]


def test_what_was_expanded_is_looked_up_once():
    nodes = [node("Relu", ["x"], "h"), node("Expand", ["h", "sizes"], "wide"), node("Exp", ["wide"], "y")]
    assert layers(network(nodes, [3, 1], sizes=np.int64([1, 3, 4])), (3, 1)) == [3]


@pytest.mark.parametrize(
    "tail", [["Softmax"], ["LogSoftmax"], ["Sigmoid", "ArgMax"], ["Softmax", "ArgMax"], ["Identity", "Softmax"]]
)
def test_tails_are_cut_off(tail):
    names = [*(f"t{index}" for index in range(len(tail))), "y"]
    nodes = [node("Relu", ["x"], "t0")] + [node(name, [names[i]], names[i + 1]) for i, name in enumerate(tail)]
    X = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    read, segments, _ = import_network(network(nodes, [3]), X)
    assert [layer.size for layer in segments.layers] == [3]
    assert read.labels == (0, 1, 2)


def test_several_sigmoids_are_probabilities_of_their_own():
    """As of several labels that a row may have at once: none is chosen, unless labels say that one is."""
    nodes = [node("Relu", ["x"], "t"), node("Sigmoid", ["t"], "y")]
    X = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    planned = plan(network(nodes, [3]), X, CompileSettings(bits=8))
    found = planned.decoder.predict(interpret(planned.circuit, encode_rows(planned.features, X)))
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-np.maximum(X, 0))), atol=0.02)
    read, _, rows = import_network(network(nodes, [3]), X)
    np.testing.assert_allclose(read.predict(rows), 1 / (1 + np.exp(-np.maximum(X, 0))), atol=1e-6)
    assert plan(network(nodes, [3]), X, CompileSettings(labels=["a", "b", "c"])).decoder.labels == ("a", "b", "c")


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([node("Det", ["x"], "y")], r"Det node 'Det of y': this operator cannot be compiled.*Supported: Abs, .*Xor"),
        ([node("MatMul", ["x", "x"], "y")], "MatMul node 'MatMul of y': it multiplies two encrypted matrices"),
        (
            [node("Exp", ["x"], "e"), node("ReduceSum", ["x"], "s"), node("Pow", ["e", "s"], "y")],
            "mixes rows: .*a mean over all axes",
        ),
        ([node("Softmax", ["x"], "s"), node("Relu", ["s"], "y")], "Softmax node.*where it is the last operator"),
    ],
)
def test_what_is_not_supported_is_named_with_advice(nodes, message):
    with pytest.raises(UnsupportedModelError, match=message):
        layers(network(nodes, [3, 3]), (3, 3))


def test_an_operator_has_one_converter():
    with pytest.raises(ValueError, match="Relu has two converters"):
        operator("Relu", kind="elementwise")(lambda runner, inputs, tracer: inputs)
    assert len({(each.domain, each.name) for each in supported_operators()}) == len(supported_operators())


@pytest.mark.parametrize(
    ("equation", "shape", "constant"),
    [
        ("nct,cd->ntd", (3, 4), (3, 2)),
        ("cd, nct -> ndt", (3, 4), (3, 2)),
        ("n...c,c->n...", (2, 4), (4,)),
        ("abc,dc", (2, 4), (3, 4)),
        ("nii->n", (4, 4), None),
        ("nct,ct->nct", (300, 2), (300, 2)),
    ],
)
def test_an_einsum_with_constants_is_a_linear_map(equation, shape, constant):
    constants = {} if constant is None else {"w": np.random.default_rng(1).normal(size=constant).astype(np.float32)}
    names = ["w", "x"] if equation.startswith("cd") else ["x", *constants]
    nodes = [node("Einsum", names, "s", equation=equation), node("Relu", ["s"], "y")]
    sizes = layers(network(nodes, list(shape), **constants), shape)
    assert len(sizes) == 1


def test_an_einsum_of_encrypted_tensors_is_refused():
    with pytest.raises(UnsupportedModelError, match="multiplies two encrypted tensors, at two lookups a product"):
        layers(network([node("Einsum", ["x", "x"], "y", equation="nc,nc->n")], [3]), (3,))


@pytest.mark.parametrize("axis", [-1, 1, 2])
def test_a_one_hot_index_is_bits_of_the_client(axis):
    nodes = [
        node("Cast", ["x"], "i", to=TensorProto.INT64),
        node("OneHot", ["i", "depth", "values"], "o", axis=axis),
        node("Mul", ["o", "factors"], "y"),
    ]
    factors = (
        np.arange(10, dtype=np.float32).reshape(2, 5) if axis != 1 else np.arange(10, dtype=np.float32).reshape(5, 2)
    )
    constants = {"depth": np.int64(5), "values": np.float32([0, 1]), "factors": factors}
    X = np.random.default_rng(0).integers(0, 5, (60, 2)).astype(np.float32)
    model = network(nodes, [2], **constants)
    planned = plan(model, X)
    assert planned.circuit.lookups == 0
    found = planned.decoder.decision_function(interpret(planned.circuit, encode_rows(planned.features, X)))
    one_hot = np.moveaxis(np.eye(5)[X.astype(int)], -1, axis)
    np.testing.assert_allclose(found, (one_hot * factors).reshape(60, -1), atol=0.05)


def test_a_one_hot_of_what_is_computed_is_refused():
    nodes = [
        node("Neg", ["x"], "n"),
        node("Cast", ["n"], "i", to=TensorProto.INT64),
        node("OneHot", ["i", "depth", "values"], "y"),
    ]
    with pytest.raises(UnsupportedModelError, match=r"its index is computed; .*compare with each category"):
        layers(network(nodes, [2], depth=np.int64(5), values=np.float32([0, 1])), (2,))
