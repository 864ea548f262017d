"""Cuts off the tail of a network: what follows its scores is the client's to compute, on decrypted numbers."""

from __future__ import annotations

from dataclasses import dataclass

import onnx
from cryptable_protocol import Link

from cryptable.errors import UnsupportedModelError

_PASSING = ("Identity", "Cast", "Dropout")
_LINKS = {"Softmax": Link.SOFTMAX, "LogSoftmax": Link.SOFTMAX, "ArgMax": Link.SOFTMAX, "Sigmoid": Link.SIGMOID}


@dataclass(frozen=True)
class Tail:
    """The tensor that holds the scores, and the link that was cut off behind it (None where there was none)."""

    scores: str
    link: Link | None


def cut_tail(graph: onnx.GraphProto) -> Tail:
    """Find the scores of a graph.

    Raises:
        UnsupportedModelError: it has several outputs that are not made of the same scores.
    """
    makers = {name: node for node in graph.node for name in node.output}
    tails = [_followed(each.name, makers) for each in graph.output]
    if len({tail.scores for tail in tails}) > 1:
        raise UnsupportedModelError(
            f"the network has {len(tails)} outputs ({', '.join(each.name for each in graph.output)}), made of "
            "different tensors; export it with one output, or concatenate them"
        )
    links = [tail.link for tail in tails if tail.link is not None]
    return Tail(tails[0].scores, links[0] if links else None)


def _followed(name: str, makers: dict[str, onnx.NodeProto]) -> Tail:
    link = None
    while name in makers:
        node = makers[name]
        if node.op_type in _LINKS and node.domain in ("", "ai.onnx"):
            link = link if link is not None and node.op_type != "Sigmoid" else _LINKS[node.op_type]
        elif node.op_type not in _PASSING or (node.op_type == "Dropout" and any(node.input[2:])):
            break  # a Dropout that is told whether it is in training: its operator finds out, and refuses it if so
        name = node.input[0]
    return Tail(name, link)


def without_dead_nodes(graph: onnx.GraphProto, wanted: str) -> list[onnx.NodeProto]:
    """The nodes that `wanted` is made of, in order."""
    needed, kept = {wanted}, []
    for node in reversed(graph.node):
        if needed & set(node.output):
            kept.append(node)
            needed.update(name for name in node.input if name)
    return kept[::-1]
