"""The picture of a levelled evaluation: the tree of tree_to_tables.py, as products that the planner really makes."""

from __future__ import annotations

import numpy as np
from cryptable.compiling.plan import plan
from cryptable.compiling.settings import CompileSettings
from cryptable.planner.levelled.parameters import choose_parameters
from cryptable.planner.planned_model import PlannedModel
from cryptable_engine import Linear, Node, Product, interpret
from cryptable_protocol import encode_rows
from cryptable_protocol.schemes.levelled.parameters import LevelledParameters
from svg import AMBER, INDIGO, QUIET, TEAL, Drawing
from tree_to_tables import bit_names, small_tree, thermometers

SETTINGS = CompileSettings(scheme="levelled")


def draw_levelled_products() -> str:
    """Left the bits, in the middle the polynomial that holds them, right the products, below the answer."""
    classifier, rows = small_tree()
    planned = plan(classifier, rows, SETTINGS)
    parameters = choose_parameters(planned.circuit, p_error=SETTINGS.failure)
    if not isinstance(parameters, LevelledParameters):
        raise TypeError("the tree has no products")
    encoded = np.asarray(encode_rows(planned.features, rows.head(100)))
    scores = interpret(planned.circuit, encoded)[:, 0]
    shown = int(np.flatnonzero(scores > max(parameters.moduli))[0])  # a patient whose residues are not the score itself
    drawing = Drawing(1000, 480, "The same tree, evaluated without bootstrapping: bits, one message, products, a sum")
    for x, colour, title in (
        (110, TEAL, "1. The client answers"),
        (345, INDIGO, "2. One message travels"),
        (745, AMBER, "3. The server multiplies bits with sums of bits"),
    ):
        drawing.text(x, 30, title, size=14, bold=True, colour=colour)
    _draw_bits(drawing, planned, parameters, encoded[shown].tolist())
    _draw_polynomial(drawing, parameters)
    y = _draw_products(drawing, planned)
    _draw_answer(drawing, planned, parameters, y, int(scores[shown]))
    return drawing.to_svg()


def _draw_bits(drawing: Drawing, planned: PlannedModel, parameters: LevelledParameters, bits: list[int]) -> None:
    y, element = 64.0, 0
    for feature in thermometers(planned):
        drawing.text(20, y + 4, feature.name, size=12, colour=QUIET, anchor="start")
        for edge in feature.edges:
            is_selector = element in parameters.selectors
            drawing.rectangle(20, y + 12, 180, 28, line=AMBER if is_selector else TEAL)
            drawing.text(32, y + 31, f"≥ {edge:.4g} ?", size=12, anchor="start")
            drawing.text(186, y + 31, str(bits[element]), size=13, bold=True)
            y, element = y + 34, element + 1
        y += 34
    drawing.lines(
        20,
        y + 20,
        [
            "Here for one patient. Amber: selectors,",
            "bits that the server multiplies by.",
            "No comparison is left for it.",
        ],
        colour=QUIET,
    )


def _draw_polynomial(drawing: Drawing, parameters: LevelledParameters) -> None:
    drawing.line(204, 190, 256, 190, colour=TEAL, arrow=True)
    drawing.rectangle(260, 64, 170, 252, line=INDIGO)
    levels = parameters.gadget.levels
    lines = [
        "All bits of a row are",
        "coefficients of one or",
        f"two polynomials: {parameters.row_bytes / 1e3:.1f} kB,",
        "encrypted.",
        "",
        "The client's keys, 0.9 MB",
        "and the same for every",
        "model, let the server take",
        f"it apart: {levels} ciphertexts for",
        "a selector, one for many",
        "other bits.",
    ]
    drawing.lines(274, 92, lines, size=12, step=20)
    drawing.line(434, 190, 486, 190, colour=INDIGO, arrow=True)


def _draw_products(drawing: Drawing, planned: PlannedModel) -> float:
    """Returns where there is room below."""
    nodes, names = planned.circuit.nodes, _names(planned)
    bits = names[0]
    y = 64.0
    for index, node in enumerate(nodes):
        if not isinstance(node, Product):
            continue
        forms = _forms(nodes[node.source], names)
        for element, bit in enumerate(node.bits.tolist()):
            drawing.rectangle(490, y, 490, 44, line=QUIET)
            drawing.text(502, y + 27, f"{names[index][element]} =", size=13, anchor="start", bold=True)
            drawing.rectangle(545, y + 8, 128, 28, line=AMBER)
            drawing.text(609, y + 27, bits[bit], size=12)
            drawing.text(690, y + 27, "×", size=14)
            drawing.text(706, y + 27, f"( {forms[element]} )", size=12, anchor="start")
            y += 54
        y += 14
    return y


def _draw_answer(drawing: Drawing, planned: PlannedModel, parameters: LevelledParameters, y: float, score: int) -> None:
    (form,) = _forms(planned.circuit.nodes[planned.circuit.output], _names(planned))
    drawing.text(490, y + 14, "4. The score is a sum", size=14, bold=True, colour=INDIGO, anchor="start")
    drawing.text(502, y + 38, f"score = {form}", size=13, anchor="start", bold=True)
    moduli = parameters.moduli
    drawing.lines(
        502,
        y + 60,
        [
            f"computed modulo {' and '.join(map(str, moduli))} side by side, so that little precision suffices,",
            f"and hidden by a fresh encryption of zero: {parameters.answer_bytes / 1e3:.1f} kB down.",
        ],
        colour=QUIET,
    )
    residues = ", ".join(f"{score % modulus} modulo {modulus}" for modulus in moduli)
    drawing.text(490, y + 118, "5. The client decrypts", size=14, bold=True, colour=TEAL, anchor="start")
    drawing.text(502, y + 141, f"{residues}: the score is {score}", size=13, anchor="start", bold=True)
    probability = planned.decoder.step * score + planned.decoder.base[0]
    drawing.lines(
        502,
        y + 163,
        [
            f"times {planned.decoder.step:.4g}: a probability of {probability:.2f}, off by {planned.error_bound:.4f} "
            "at most.",
            "Nothing is bootstrapped on the way.",
        ],
        colour=QUIET,
    )


def _names(planned: PlannedModel) -> dict[int, list[str]]:
    """Of the elements of the input and of products, by their node."""
    names, count = {0: bit_names(planned)}, 0
    for index, node in enumerate(planned.circuit.nodes):
        if isinstance(node, Product):
            names[index] = [f"P{count + element + 1}" for element in range(node.size)]
            count += node.size
    return names


def _forms(node: Node, names: dict[int, list[str]]) -> list[str]:
    """Each element of a linear node, as a sum in people's notation."""
    if not isinstance(node, Linear):
        raise TypeError(f"expected a linear node, got {type(node).__name__}")
    parts: list[list[tuple[int, str]]] = [[(int(offset), "")] for offset in node.offset]
    for term in node.terms:
        for row, column, weight in zip(term.rows, term.columns, term.weights, strict=True):
            parts[column].append((int(weight), names[term.source][row]))
    return [_sum(each) for each in parts]


def _sum(parts: list[tuple[int, str]]) -> str:
    told = ""
    for weight, name in sorted((part for part in parts if part[0]), key=lambda part: part[0] < 0):
        sign = ("−" if weight < 0 else "") if not told else (" − " if weight < 0 else " + ")
        size = f"{abs(weight)}" if not name else ("" if abs(weight) == 1 else f"{abs(weight)} · ")
        told += f"{sign}{size}{f'[{name}]' if ' ' in name else name}"
    return told or "0"
