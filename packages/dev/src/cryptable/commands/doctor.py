"""`cryptable doctor`: whether this machine can do what is asked of it, and what to do where it cannot."""

from __future__ import annotations

import argparse
import sys

from cryptable_engine.self_check import check_machine
from cryptable_protocol import InvalidInputError
from cryptable_protocol.findings import (
    Finding,
    exit_status,
    folder_finding,
    package_findings,
    port_finding,
    python_finding,
    to_json,
)
from rich.markup import escape
from rich.table import Table

from cryptable.commands.registry import command
from cryptable.console.terminal import make_console, show
from cryptable.cost.rates import calibration_file, machine_rates

_OURS = ("cryptable", "cryptable-client", "cryptable-engine", "cryptable-kernel", "cryptable-protocol")
_LIBRARIES = (
    "catboost",
    "cryptable-server",
    "interpret-core",
    "lightgbm",
    "numpy",
    "onnx",
    "scikit-learn",
    "torch",
    "xgboost",
)
_COLOURS = {"good": "green", "warning": "yellow", "bad": "bold red"}


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--address", default="127.0.0.1:50051", metavar="HOST:PORT", help="a server is to listen there: %(default)s"
    )
    parser.add_argument("--json", action="store_true", help="for machines")


@command(
    "doctor",
    summary="say what this machine lacks, and what to do",
    description=(
        "Look at versions, CPU, memory, linker, calibration and the server's port, and compile a small circuit. Exit "
        "status 1 where something is bad; a warning is what makes things slow or surprising. Nothing is changed."
    ),
    configure=_configure,
)
def run(arguments: argparse.Namespace) -> int:
    """Print the findings."""
    findings = [
        python_finding((3, 11), (3, 12)),
        *package_findings(_LIBRARIES, ours=_OURS),
        *check_machine()[1:],
        _calibration(),
        folder_finding("configuration", calibration_file().parent),
        port_finding(arguments.address),
    ]
    if arguments.json:
        sys.stdout.write(to_json(findings) + "\n")
    else:
        show(make_console(), _table(findings))
    return exit_status(findings)


def _calibration() -> Finding:
    path = calibration_file()
    try:
        rates = machine_rates()
    except InvalidInputError as error:
        return Finding("calibration", str(error), "bad", f"remove {path}, or run `cryptable calibrate`")
    if not path.is_file():
        advice = "`cryptable calibrate`, for predicted seconds of this machine"
        return Finding("calibration", f"seconds are predicted for: {rates.machine}", "warning", advice)
    return Finding("calibration", f"{rates.machine}, {rates.engine}")


def _table(findings: list[Finding]) -> Table:
    table = Table(title="What this machine has", title_justify="left")
    for heading in ("what", "found", "", "what to do"):
        table.add_column(heading)
    for finding in findings:
        severity = f"[{_COLOURS[finding.severity]}]{finding.severity}[/]"
        table.add_row(finding.what, escape(finding.found), severity, escape(finding.advice))
    return table
