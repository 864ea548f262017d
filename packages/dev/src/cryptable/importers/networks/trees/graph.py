"""Ensembles of trees that an ONNX graph computes with tensors, as hummingbird-ml writes them: turned back into trees.

A network of such a graph would look each comparison up; trees cost far fewer lookups. What is read is compared with the
graph's own results, so a graph that only looks like one is found out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from cryptable_protocol import Link
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.graph import FloatArray, Tree
from cryptable.importers.networks.tails import without_dead_nodes
from cryptable.importers.networks.trees.tensors import Array, Forest, TreeBuilder, read_forest

_NEGLIGIBLE = 1e-4
"""Of the largest score: what sums in float32 may be off by."""
_PROBES = 512
"""At once: their memory grows with the number of trees."""
_READERS = frozenset({"Gather", "GatherElements", "Gemm", "MatMul", "Shape", "Transpose"})
"""Operators that read the rows in order to compare them."""


@dataclass(frozen=True, eq=False)
class TreeGraph:
    """Trees, and what a graph makes of their leaves: scores = base + the sum of the leaves' values, then `link`."""

    trees: tuple[Tree, ...]
    base: FloatArray
    link: Link
    labels: tuple[int, ...] | None
    scores_name: str
    """The tensor of the graph that holds them; it has one more where two probabilities are told by the second."""


def read_tree_graph(model: onnx.ModelProto, features: int) -> TreeGraph | None:
    """The trees of a model; None where it holds none.

    Args:
        model: one float input of shape (rows, features).
        features: how many.

    Raises:
        UnsupportedModelError: it has trees, but does something else with their leaves than adding them up.
    """
    constants = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
    forest = read_forest(model.graph)
    if forest is None:
        return None
    _check_input(model.graph)
    scores, link, classes = _scores_of(model.graph, constants)
    weights, base = _sums(model, forest, scores)
    if link is Link.PROBABILITY and _is_pair_of_probabilities(forest.leaves, weights, base):
        weights, base = weights[:, :, 1:], base[1:]
    trees = []
    for index, build in enumerate(forest.trees):
        builder = TreeBuilder(forest.leaves[index] @ weights[index])
        builder.root(build)
        tree = builder.tree()
        if tree.feature.max() >= features:
            raise UnsupportedModelError(f"its trees read feature {tree.feature.max()}, X_train has {features}")
        trees.append(tree)
    if link is Link.IDENTITY:
        labels = None
    else:
        count = max(2, len(base))
        labels = tuple(range(count)) if classes is None else tuple(int(each) for each in classes)
    return TreeGraph(tuple(trees), base, link, labels, scores)


def _check_input(graph: onnx.GraphProto) -> None:
    rows, others = {graph.input[0].name}, set()
    for node in graph.node:
        if rows & set(node.input):
            if node.op_type in ("Cast", "Identity"):
                rows |= set(node.output)
            elif node.op_type not in _READERS:
                others.add(node.op_type)
    if others:
        raise UnsupportedModelError(
            f"its trees do not read the rows, but what other operators ({', '.join(sorted(others))}) make of them: "
            "compile the pipeline itself, or the trees alone"
        )


# -- what follows the leaves -------------------------------------------------------------------------------------------


def _scores_of(graph: onnx.GraphProto, constants: dict[str, Array]) -> tuple[str, Link, Array | None]:
    """The scores' tensor, their link, and the classes that the largest of them is the number of."""
    links = {"Sigmoid": Link.SIGMOID, "Softmax": Link.SOFTMAX, "ArgMax": Link.PROBABILITY}
    found = {node.op_type: node for node in graph.node if node.op_type in links}
    classes = None
    if "ArgMax" in found:
        chosen = found["ArgMax"].output[0]
        for node in graph.node:
            if node.op_type == "Gather" and node.input[0] in constants and _descends(graph, node.input[1], chosen):
                classes = constants[node.input[0]]
    for operator, link in links.items():
        if operator in found:
            return found[operator].input[0], link, classes
    return graph.output[0].name, Link.IDENTITY, None


def _descends(graph: onnx.GraphProto, name: str, ancestor: str) -> bool:
    makers = {output: node for node in graph.node for output in node.output}
    while name != ancestor:
        if name not in makers or not makers[name].input:
            return False
        name = makers[name].input[0]
    return True


def _sums(model: onnx.ModelProto, forest: Forest, scores: str) -> tuple[FloatArray, FloatArray]:
    """Weights of shape (trees, numbers of a leaf, scores) and base: found by what the graph makes of unit leaves."""
    count, _, numbers = forest.leaves.shape
    kind = model.graph.input[0].type.tensor_type.elem_type
    size = count * numbers
    given = helper.make_tensor_value_info(forest.output, kind, None)
    nodes = [node for node in without_dead_nodes(model.graph, scores) if forest.output not in node.output]
    nodes = _reached_from(nodes, forest.output)
    result = helper.make_tensor_value_info(scores, kind, None)
    graph = helper.make_graph(nodes, "tail", [given], [result], model.graph.initializer)
    tail = helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    evaluator = ReferenceEvaluator(tail)

    def scores_of(leaves: FloatArray) -> FloatArray:
        """Of leaves' numbers, shape (rows, trees * numbers)."""
        probes = leaves.astype(helper.tensor_dtype_to_np_dtype(kind)).reshape(len(leaves), count, numbers)
        tensor = probes.transpose(1, 2, 0) if forest.trees_first else probes.reshape(-1, numbers)
        try:
            (found,) = evaluator.run(None, {forest.output: np.ascontiguousarray(tensor)})
        except Exception as error:  # whatever its operators raise
            raise UnsupportedModelError(
                f"what it does with the leaves of its trees cannot be evaluated: {error}"
            ) from error
        return np.asarray(found, np.float64).reshape(len(leaves), -1)

    parts = []
    for start in range(0, size, _PROBES):
        units = np.arange(start, min(size, start + _PROBES))
        probes = np.zeros((len(units) + 2, size))  # never one row alone: hummingbird squeezes that
        probes[np.arange(len(units)), units] = 1.0
        scored = scores_of(probes)
        parts.append(scored[:-2] - scored[-1])
    base, weights = scored[-1], np.concatenate(parts)
    tried = np.random.default_rng(0).normal(size=(2, size))
    expected = tried @ weights + base
    if np.abs(scores_of(tried) - expected).max() > _NEGLIGIBLE * max(1.0, float(np.abs(expected).max())):
        raise UnsupportedModelError("it does not add the leaves of its trees up: no plan of tables can do that")
    return weights.reshape(count, numbers, -1), base


def _reached_from(nodes: list[onnx.NodeProto], start: str) -> list[onnx.NodeProto]:
    """The nodes that `start` leads to, and the constants that they read."""
    reached, kept = {start}, []
    for node in nodes:
        if reached & set(node.input):
            reached.update(node.output)
            kept.append(node)
    needed = {name for node in kept for name in node.input}
    return [node for node in nodes if node in kept or (not node.input and needed & set(node.output))]


def _is_pair_of_probabilities(leaves: FloatArray, weights: FloatArray, base: FloatArray) -> bool:
    """Whether there are two scores, which are 1 together whatever leaf each tree ends in."""
    if len(base) != 2:
        return False
    together = np.einsum("tln,tns->tl", leaves, weights)
    reached = np.abs(leaves).sum(axis=2) > 0
    each = np.array([values[mask][0] if mask.any() else 0.0 for values, mask in zip(together, reached, strict=True)])
    return bool(
        (np.abs(together - each[:, None])[reached] < _NEGLIGIBLE).all()
        and abs(each.sum() + base.sum() - 1) < _NEGLIGIBLE
    )
