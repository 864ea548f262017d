"""The picture of the three parties: what each has, what travels, and what each never sees."""

from __future__ import annotations

from svg import AMBER, INDIGO, INK, QUIET, ROSE, TEAL, Drawing

BOXES = (
    (20, INDIGO, "Developer", "cryptable", ["the estimator", "its training data"], ["anything of a user"]),
    (
        350,
        AMBER,
        "Operator",
        "cryptable-server",
        ["the model", "evaluation keys", "ciphertexts"],
        ["rows, scores, secret keys"],
    ),
    (680, TEAL, "End user", "cryptable-client", ["rows", "secret key", "answers"], ["trees, leaf values"]),
)


def draw_parties() -> str:
    """Three boxes, and what goes from one to another."""
    drawing = Drawing(900, 330, "Developer, operator and end user: what each has, and what travels between them")
    for x, colour, name, package, has, never in BOXES:
        drawing.rectangle(x, 60, 200, 205, line=colour)
        drawing.text(x + 100, 88, name, size=17, bold=True, colour=colour)
        drawing.text(x + 100, 108, package, size=12, colour=QUIET)
        drawing.text(x + 18, 138, "has", size=12, colour=QUIET, anchor="start")
        drawing.lines(x + 58, 138, has, size=13, step=19)
        drawing.text(x + 18, 218, "never sees", size=12, colour=ROSE, anchor="start")
        drawing.lines(x + 18, 240, never, size=13)
    drawing.line(222, 150, 348, 150, colour=INDIGO, arrow=True)
    drawing.text(285, 140, "one artifact", size=12)
    drawing.text(285, 168, "circuit + client spec", size=11, colour=QUIET)
    labels = (
        (100, False, "client spec", INDIGO),
        (150, True, "evaluation keys", TEAL),
        (200, True, "encrypted rows", TEAL),
        (250, False, "encrypted answers", AMBER),
    )
    for y, up, label, colour in labels:
        start, end = (678, 552) if up else (552, 678)
        drawing.line(start, y, end, y, colour=colour, arrow=True)
        drawing.text(615, y - 7, label, size=12)
    drawing.text(
        450,
        35,
        "The secret key is made by the user's device, and no message can carry it",
        size=14,
        colour=INK,
        bold=True,
    )
    drawing.text(
        450,
        300,
        "Who reads the network, or the server's memory and disk, sees what the operator sees.",
        size=13,
        colour=QUIET,
    )
    return drawing.to_svg()
