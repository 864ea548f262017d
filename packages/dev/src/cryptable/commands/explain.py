"""`cryptable explain`: what a prediction of an artifact costs, and who learns what."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from cryptable.commands.registry import command
from cryptable.compiled.compiled_model import load
from cryptable.console.terminal import make_console, show


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("artifact", type=Path, help="file that `cryptable compile` or CompiledModel.save wrote")
    parser.add_argument("--json", action="store_true", help="for machines")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="also draw a picture: .png, .svg or .pdf")


@command(
    "explain",
    summary="say what a prediction costs, and who learns what",
    description=(
        "Say what one prediction costs: products of bits (models of trees) or lookups (programmable bootstrappings), "
        "predicted CPU seconds, bytes in each direction; and what client and server learn about each other's secrets."
    ),
    configure=_configure,
)
def run(arguments: argparse.Namespace) -> int:
    """Print the explanation."""
    explanation = load(arguments.artifact).explain()
    if arguments.json:
        sys.stdout.write(json.dumps(explanation.to_dict(), indent=2) + "\n")
    else:
        show(make_console(), explanation)
    if arguments.plot:
        explanation.plot(arguments.plot)
    return 0
