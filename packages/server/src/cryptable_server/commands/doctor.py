"""cryptable-server doctor: whether this machine can serve, and what to do where it cannot."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from cryptable_protocol.findings import (
    Finding,
    exit_status,
    folder_finding,
    from_json,
    package_findings,
    port_finding,
    to_json,
    to_lines,
)

from cryptable_server.settings.config import default_data_directory

_OURS = ("cryptable-server", "cryptable-engine", "cryptable-protocol")
_LIBRARIES = ("concrete-python", "cryptography", "grpcio", "numpy", "prometheus-client", "protobuf")
_SECONDS = 300.0


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `doctor` to a parser's commands."""
    parser = commands.add_parser(
        "doctor",
        help="say what this machine lacks to serve, and what to do",
        description="Look at versions, CPU, memory, linker, folders and the port, and compile a small circuit. Exit "
        "status 1 where something is bad.",
        allow_abbrev=False,
    )
    parser.add_argument("--address", default="127.0.0.1:50051", metavar="HOST:PORT", help="default: %(default)s")
    parser.add_argument("--keys", type=Path, metavar="DIR", help="where evaluation keys are to be kept")
    parser.add_argument("--json", action="store_true", help="for scripts")
    parser.set_defaults(run=_run, log_level="WARNING", parser=parser)


def _run(options: argparse.Namespace) -> int:
    findings = [
        *_machine(),
        *package_findings(_LIBRARIES, ours=_OURS),
        folder_finding("keys", options.keys or default_data_directory() / "keys"),
        port_finding(options.address),
    ]
    sys.stdout.write((to_json(findings) if options.json else "\n".join(to_lines(findings))) + "\n")
    return exit_status(findings)


def _machine() -> list[Finding]:
    """What the engine says, in a process of its own: this one never loads native cryptography."""
    command = [sys.executable, "-m", "cryptable_engine.self_check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_SECONDS)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        return [Finding("cryptable-engine", f"does not run: {said}", "bad", "install cryptable-server again")]
    return from_json(done.stdout)
