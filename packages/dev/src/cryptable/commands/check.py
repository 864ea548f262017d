"""`cryptable check`: try an artifact out on rows, under encryption too."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from cryptable.commands.files import read_rows, read_truth
from cryptable.commands.registry import command
from cryptable.compiled.compiled_model import load
from cryptable.console.terminal import make_console, show


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("artifact", type=Path, help="file that `cryptable compile` or CompiledModel.save wrote")
    parser.add_argument("rows", type=Path, help="rows to predict (.csv, .parquet or .npy), without the target")
    parser.add_argument("--truth", type=Path, help="their labels or targets, one a row, to score the predictions by")
    parser.add_argument("--encrypted-rows", type=int, default=3, help="rows to evaluate under encryption; by default 3")
    parser.add_argument("--json", action="store_true", help="for machines")


@command(
    "check",
    summary="predict rows in the clear, with simulated noise and under encryption, and compare",
    description=(
        "Predict rows in the clear, with simulated noise, and (the first few) really under encryption, with keys made "
        "for this one check. Exit status 1 where an encrypted result is not the clear one, bit for bit. An artifact "
        "has no float model to compare with: CompiledModel.check, right after compiling, has."
    ),
    configure=_configure,
)
def run(arguments: argparse.Namespace) -> int:
    """Print the report."""
    model = load(arguments.artifact)
    truth = None if arguments.truth is None else read_truth(arguments.truth, model.artifact.client_spec.decoder.labels)
    report = model.check(
        read_rows(arguments.rows, model.artifact.client_spec.features), truth, encrypted_rows=arguments.encrypted_rows
    )
    if arguments.json:
        sys.stdout.write(json.dumps(report.to_dict(), indent=2) + "\n")
    else:
        show(make_console(), report)
    return 0 if report.passed else 1
