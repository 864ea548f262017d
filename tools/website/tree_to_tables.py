"""The picture of a tree that becomes tables: a tree really trained, and the tables that the planner really buys."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from cryptable.compiling.plan import plan
from cryptable.compiling.settings import CompileSettings
from cryptable.planner.planned_model import PlannedModel
from cryptable_engine import Linear, Lookup, Node
from cryptable_protocol import ThermometerEncoder
from sklearn.datasets import load_breast_cancer
from sklearn.tree import DecisionTreeClassifier
from svg import AMBER, INDIGO, INK, QUIET, TEAL, Drawing

FittedTree: TypeAlias = Any

FEATURES = ["mean radius", "mean texture", "worst concavity"]
SHORT = {"mean radius": "radius", "mean texture": "texture", "worst concavity": "concavity"}


def small_tree() -> tuple[FittedTree, Any]:
    """The tree of both pictures of trees, and the rows that it was trained on."""
    data = load_breast_cancer(as_frame=True)
    rows = data.data[FEATURES]
    return DecisionTreeClassifier(max_depth=3, max_leaf_nodes=6, random_state=0).fit(rows, data.target), rows


def draw_tree_to_tables() -> str:
    """Left the tree, in the middle the encrypted bits, right the tables, below the sum."""
    classifier, rows = small_tree()
    planned = plan(classifier, rows, CompileSettings(scheme="bootstrapped"))
    drawing = Drawing(
        1000, 540, "A decision tree of depth 3, the bits that a client encrypts, and the tables that compute it"
    )
    for x, colour, title in (
        (225, INDIGO, "1. A tree asks its questions one after the other"),
        (560, TEAL, "2. The client answers them all"),
        (830, AMBER, "3. Tables combine features"),
    ):
        drawing.text(x, 30, title, size=14, bold=True, colour=colour)
    _draw_node(drawing, classifier.tree_, 0, 225, 80, 112)
    _draw_bits(drawing, planned)
    _draw_tables(drawing, planned)
    return drawing.to_svg()


def _draw_node(drawing: Drawing, tree: FittedTree, node: int, x: float, y: float, spread: float) -> None:
    left, right = int(tree.children_left[node]), int(tree.children_right[node])
    if left < 0:
        drawing.rectangle(x - 23, y - 16, 46, 32, line=QUIET)
        drawing.text(x, y + 5, f"{tree.value[node][0][1]:.2f}", size=13)
        return
    for child, side, label in ((left, -1, "no"), (right, 1, "yes")):
        drawing.line(x, y + 20, x + side * spread, y + 84)
        drawing.text(x + side * spread * 0.62 + side * 10, y + 52, label, size=11, colour=QUIET)
        _draw_node(drawing, tree, child, x + side * spread, y + 104, spread * 0.5 if spread > 80 else 28)
    drawing.rectangle(x - 53, y - 22, 106, 44, line=INDIGO)
    drawing.text(x, y - 4, SHORT[FEATURES[int(tree.feature[node])]], size=12)
    drawing.text(x, y + 13, f"> {tree.threshold[node]:.4g} ?", size=12)


def bit_names(planned: PlannedModel) -> list[str]:
    """Of the encrypted bits: feature and edge."""
    return [f"{SHORT[feature.name]} ≥ {edge:.4g}" for feature in thermometers(planned) for edge in feature.edges]


def thermometers(planned: PlannedModel) -> list[ThermometerEncoder]:
    """Encoders that send bits."""
    return [feature for feature in planned.features if isinstance(feature, ThermometerEncoder)]


def _draw_bits(drawing: Drawing, planned: PlannedModel) -> None:
    y = 64.0
    for feature in thermometers(planned):
        drawing.text(470, y + 4, feature.name, size=12, colour=QUIET, anchor="start")
        for edge in feature.edges:
            drawing.rectangle(470, y + 12, 176, 28, line=TEAL)
            drawing.text(482, y + 31, f"1 if ≥ {edge:.4g}, else 0", size=12, anchor="start")
            y += 34
        y += 34
    drawing.lines(
        470,
        y + 20,
        [
            "Each is one encrypted bit.",
            "No comparison is left for the",
            "server, and any function of one",
            "feature is a sum of its bits: free.",
        ],
        colour=QUIET,
    )


def _draw_tables(drawing: Drawing, planned: PlannedModel) -> None:
    nodes = planned.circuit.nodes
    names = bit_names(planned)
    (lookup,) = [node for node in nodes if isinstance(node, Lookup)]
    codes = nodes[lookup.source]
    matrix = _dense(codes, nodes)
    output = nodes[planned.circuit.output]
    if not isinstance(output, Linear):
        raise TypeError(f"expected a sum at the end, got {type(output).__name__}")
    y = 64
    for column in range(lookup.size):
        used = [(names[row], int(weight)) for row, weight in enumerate(matrix[:, column]) if weight]
        drawing.text(690, y, f"table {'AB'[column]}: code =", size=12, anchor="start", bold=True)
        terms = [f"{'' if weight == 1 else f'{weight} × '}[{name}]" for name, weight in used]
        drawing.lines(702, y + 18, [f"{'+ ' if index else ''}{term}" for index, term in enumerate(terms)], colour=INK)
        top = y + 18 + 17 * len(terms)
        entries = lookup.tables[lookup.table_of[column]].tolist()
        for code, entry in enumerate(entries):
            drawing.rectangle(690 + code * 36, top, 34, 46, line=AMBER)
            drawing.text(707 + code * 36, top + 17, f"{code}", size=10, colour=QUIET)
            drawing.text(707 + code * 36, top + 37, f"{entry}", size=13, bold=True)
        y = top + 84
    direct = [
        f"{'' if weight == 1 else f'{int(weight)} × '}[{name}]"
        for name, weight in zip(names, _dense(output, nodes)[:, 0], strict=True)
        if weight
    ]
    drawing.text(690, y, "4. The score is a sum", size=14, bold=True, colour=INDIGO, anchor="start")
    offset = int(output.offset[0])
    terms = ["A", "+ B", *(f"+ {term}" for term in direct)]
    if offset:
        terms.append(f"{'+' if offset > 0 else '−'} {abs(offset)}")
    drawing.lines(702, y + 20, [" ".join(terms[:2]), *terms[2:]], size=12)
    sizes = [feature.size + 1 for feature in planned.features]
    drawing.lines(
        20,
        495,
        [
            f"{' × '.join(map(str, sizes))} bins are {math.prod(sizes)} combinations, more than the "
            f"{1 << lookup.width} entries of a table of {lookup.width} bits, so it takes two lookups a prediction.",
            f"A step is {planned.decoder.step:g} of a probability, and the sum is off by "
            f"{planned.error_bound:.4f} at most, and that bound is proved, not sampled.",
        ],
        size=13,
        step=22,
    )


def _dense(node: Node, nodes: tuple[Node, ...]) -> npt.NDArray[np.int64]:
    if not isinstance(node, Linear):
        raise TypeError(f"expected a linear node, got {type(node).__name__}")
    given = nodes[0].size
    products = [term.to_dense(given, node.size) for term in node.terms if term.source == 0]
    return sum(products, start=np.zeros((given, node.size), np.int64))
