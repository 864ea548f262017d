"""Generates docs/reference/onnx.md: which operators of ONNX are converted, and how ONNX' own node tests fare.

python tools/generate_onnx_support.py           write the table of operators
python tools/generate_onnx_support.py --tests   and run the node tests, and print how many pass (minutes)
python tools/generate_onnx_support.py --check   exit with 1 where the table of operators differs
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from cryptable.importers.networks.operators.registry import Operator, supported_operators

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/reference/onnx.md"
KINDS = {
    "linear": ("Linear", "Free: part of an affine map between lookups."),
    "structural": ("Structural", "Free: elements are moved, repeated or left out."),
    "elementwise": (
        "Elementwise",
        "A chain of these on one number takes one lookup an element, however long it is; its table is what "
        "`onnx.reference` makes of the chain.",
    ),
    "lookups": ("Made of lookups", "Take several lookups for each result."),
}
RESULTS = "## ONNX' own node tests"


def table() -> str:
    """The page's first part."""
    lines = [
        "# ONNX operators",
        "",
        "Made by `tools/generate_onnx_support.py` from the registry of operators; do not edit. The other input of an",
        "operator is a constant where the note says nothing else. Without an encrypted input, any operator that",
        "`onnx.reference` knows is evaluated when a network is compiled. Softmax, LogSoftmax, Sigmoid and ArgMax at",
        "the end of a network are left to the client.",
    ]
    for kind, (title, about) in KINDS.items():
        chosen = [each for each in supported_operators() if each.kind == kind]
        lines += ["", f"## {title}", "", about, "", _names([each for each in chosen if not each.note])]
        noted = [each for each in chosen if each.note]
        if noted:
            lines += ["", "| operator | note |", "|---|---|"]
            lines += [f"| {_name(each)} | {each.note} |" for each in noted]
    return "\n".join(lines) + "\n"


def _names(operators: list[Operator]) -> str:
    text, line = [], ""
    for name in map(_name, operators):
        if len(line) + len(name) > 110:
            text.append(line.rstrip())
            line = ""
        line += f"{name}, "
    text.append(line.rstrip(", "))
    return "\n".join(text) + ("." if operators else "")


def _name(operator: Operator) -> str:
    return f"`{operator.domain + '.' if operator.domain else ''}{operator.name}`"


def main() -> int:
    """Write or check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--tests", action="store_true")
    arguments = parser.parse_args()
    there = PAGE.read_text("utf-8") if PAGE.is_file() else ""
    operators, _, results = there.partition(f"{RESULTS}\n\n")
    if arguments.check:
        if operators.rstrip() + "\n" != table():
            print("docs/reference/onnx.md is not what the registry says: run tools/generate_onnx_support.py")
            return 1
        return 0
    if arguments.tests:
        from onnx_nodes import report

        results = report()
    PAGE.write_text(f"{table()}\n{RESULTS}\n\n{results}", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
