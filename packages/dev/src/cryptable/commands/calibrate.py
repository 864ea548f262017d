"""`cryptable calibrate`: measure this machine, so that predicted seconds are its own."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from cryptable_protocol.files.whole import AS_USUAL, whole_file

from cryptable.calibrating.measure import measure_machine
from cryptable.commands.registry import command
from cryptable.console.progress import progress_bar
from cryptable.console.terminal import make_console
from cryptable.cost.rates import calibration_file


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--output",
        type=Path,
        help="file to write; by default the one that explain() reads, in the user's configuration",
    )
    parser.add_argument("--json", action="store_true", help="print what was measured, for machines")


@command(
    "calibrate",
    summary="measure how fast this machine evaluates",
    description=(
        "Measure how fast this machine evaluates lookups and sums: small circuits, really under encryption, for less "
        "than a minute. Seconds of models of trees without bootstrapping are predicted by fixed rates. "
        "explain() and `cryptable explain` predict seconds from the result, instead of from another machine's. Measure "
        "where models will be served, while nothing else runs, and copy the file to where they are compiled."
    ),
    configure=_configure,
)
def run(arguments: argparse.Namespace) -> int:
    """Measure, and write the file."""
    target = arguments.output or calibration_file()
    with progress_bar("measuring", enabled=True) as report:
        rates = measure_machine(report)
    target.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(target, mode=AS_USUAL) as file:
        file.write(rates.to_json().encode())
    if arguments.json:
        sys.stdout.write(rates.to_json())
        return 0
    console = make_console()
    console.print(f"{rates.machine}: a lookup of 4 bits takes {1.42e8 * rates.per_price[4] * 1e3:.1f} ms of CPU")
    console.print(f"written to {target}", soft_wrap=True)
    return 0
