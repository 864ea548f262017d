"""Cuts off the tail of a network: what follows its scores is the client's to compute, on decrypted numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import onnx
from cryptable_protocol import Link
from onnx import numpy_helper

from cryptable.errors import UnsupportedModelError

_PASSING = ("Identity", "Cast", "Dropout")
_SHAPING = ("Reshape", "Squeeze", "Unsqueeze", "Flatten")
_OWN = ("", "ai.onnx")
_LINKS = {"Softmax": Link.SOFTMAX, "LogSoftmax": Link.SOFTMAX, "ArgMax": Link.SOFTMAX, "Sigmoid": Link.SIGMOID}


@dataclass(frozen=True)
class Tail:
    """The tensor that holds the scores, and link and labels that were cut off behind it, None where there are none.

    `chooses`: one of several scores is chosen behind them, by an argmax.
    """

    scores: str
    link: Link | None
    labels: tuple[Any, ...] | None = None
    chooses: bool = False


def cut_tail(graph: onnx.GraphProto) -> Tail:
    """Find the scores of a graph.

    Raises:
        UnsupportedModelError: it has several outputs that are not made of the same scores.
    """
    makers = {name: node for node in graph.node for name in node.output}
    constants = {each.name: each for each in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            constants[node.output[0]] = node.attribute[0].t
    tails = [_followed(each.name, makers, constants) for each in graph.output]
    if len({tail.scores for tail in tails}) > 1:
        raise UnsupportedModelError(
            f"the network has {len(tails)} outputs ({', '.join(each.name for each in graph.output)}), made of "
            "different tensors; export it with one output, or concatenate them"
        )
    links = [tail.link for tail in tails if tail.link is not None]
    if len(tails) > 1 and Link.SIGMOID in links:
        links = [Link.SIGMOID]  # of (1 - p, p) and of the label that is its argmax
    labels = next((tail.labels for tail in tails if tail.labels), None)
    return Tail(tails[0].scores, links[0] if links else None, labels, any(tail.chooses for tail in tails))


def _followed(name: str, makers: dict[str, onnx.NodeProto], constants: dict[str, onnx.TensorProto]) -> Tail:
    link, labels, chooses = None, None, False
    while name in makers:
        node = makers[name]
        source = node.input[0]
        chooses |= node.op_type == "ArgMax"
        if node.op_type in _LINKS and node.domain in _OWN:
            link = link if link is not None and node.op_type != "Sigmoid" else _LINKS[node.op_type]
        elif _picks_labels(node, makers, constants):
            labels, source = _values(constants[node.input[0]]), node.input[1]
        elif node.op_type == "ZipMap":
            labels = next((_listed(each) for each in node.attribute if each.name.startswith("classlabels")), None)
        elif node.op_type in _SHAPING and _is_label(source, makers, constants):
            pass
        elif node.op_type == "Concat" and (positive := _of_two_classes(node, makers, constants)) is not None:
            source = positive
        elif node.op_type not in _PASSING or (node.op_type == "Dropout" and any(node.input[2:])):
            break  # a Dropout that is told whether it is in training: its operator finds out, and refuses it if so
        name = source
    return Tail(name, link, labels, chooses or labels is not None)


def _picks_labels(
    node: onnx.NodeProto, makers: dict[str, onnx.NodeProto], constants: dict[str, onnx.TensorProto]
) -> bool:
    """Whether it takes labels from a list by the number of the class, as converters write them."""
    if node.op_type not in ("Gather", "ArrayFeatureExtractor") or node.input[0] not in constants:
        return False
    name = node.input[1]
    while name in makers and makers[name].op_type in (*_PASSING, *_SHAPING):
        name = makers[name].input[0]
    return name in makers and makers[name].op_type == "ArgMax"


def _is_label(name: str, makers: dict[str, onnx.NodeProto], constants: dict[str, onnx.TensorProto]) -> bool:
    """Whether a tensor is a label, or the number of a class."""
    while name in makers:
        node = makers[name]
        if node.op_type == "ArgMax" or _picks_labels(node, makers, constants):
            return True
        if node.op_type not in (*_PASSING, *_SHAPING):
            return False
        name = node.input[0]
    return False


def _of_two_classes(
    node: onnx.NodeProto, makers: dict[str, onnx.NodeProto], constants: dict[str, onnx.TensorProto]
) -> str | None:
    """The probability p of the tensor (1 - p, p)."""
    if len(node.input) != len(("1 - p", "p")):
        return None
    other, positive = node.input
    makes = makers.get(other)
    if makes is None or makes.op_type != "Sub" or makes.input[1] != positive or makes.input[0] not in constants:
        return None
    return positive if (numpy_helper.to_array(constants[makes.input[0]]) == 1).all() else None


def _values(tensor: onnx.TensorProto) -> tuple[Any, ...]:
    found = numpy_helper.to_array(tensor).ravel().tolist()
    return tuple(each.decode() if isinstance(each, bytes) else each for each in found)


def _listed(attribute: onnx.AttributeProto) -> tuple[Any, ...]:
    return tuple(attribute.ints) or tuple(each.decode() for each in attribute.strings)


def without_dead_nodes(graph: onnx.GraphProto, wanted: str) -> list[onnx.NodeProto]:
    """The nodes that `wanted` is made of, in order."""
    needed, kept = {wanted}, []
    for node in reversed(graph.node):
        if needed & set(node.output):
            kept.append(node)
            needed.update(name for name in node.input if name)
    return kept[::-1]
