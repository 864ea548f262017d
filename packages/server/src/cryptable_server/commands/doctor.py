"""cryptable-server doctor: whether this machine can serve, and what to do where it cannot."""

from __future__ import annotations

import argparse
import os
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

from cryptable_server.calls.tls.expiry import Expiry
from cryptable_server.files.regular_files import read_regular
from cryptable_server.settings.config import default_data_directory
from cryptable_server.settings.declaration import ENVIRONMENT_PREFIX

_OURS = ("cryptable-server", "cryptable-engine", "cryptable-kernel", "cryptable-protocol")
_LIBRARIES = ("concrete-python", "cryptography", "grpcio", "numpy", "prometheus-client", "protobuf")
_SECONDS = 300.0
_CERTIFICATE_VARIABLE = f"{ENVIRONMENT_PREFIX}TLS_CERTIFICATE"
_MAX_CERTIFICATE_BYTES = 16 << 20


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `doctor` to a parser's commands."""
    parser = commands.add_parser(
        "doctor",
        help="say what this machine lacks to serve, and what to do",
        description="Look at versions, CPU, memory, linker, folders, the port and the certificate, and compile a small "
        "circuit. Exit status 1 where something is bad.",
        allow_abbrev=False,
    )
    parser.add_argument("--address", default="127.0.0.1:50051", metavar="HOST:PORT", help="default: %(default)s")
    parser.add_argument("--keys", type=Path, metavar="DIR", help="where evaluation keys are to be kept")
    parser.add_argument(
        "--tls-certificate",
        type=Path,
        default=os.environ.get(_CERTIFICATE_VARIABLE),
        metavar="FILE",
        help=f"the server's, PEM (or {_CERTIFICATE_VARIABLE})",
    )
    parser.add_argument("--json", action="store_true", help="for scripts")
    parser.set_defaults(run=_run, log_level="WARNING", parser=parser)


def _run(options: argparse.Namespace) -> int:
    findings = [
        *_machine(),
        *package_findings(_LIBRARIES, ours=_OURS),
        folder_finding("keys", options.keys or default_data_directory() / "keys"),
        port_finding(options.address),
        *([] if options.tls_certificate is None else [_certificate(options.tls_certificate)]),
    ]
    sys.stdout.write((to_json(findings) if options.json else "\n".join(to_lines(findings))) + "\n")
    return exit_status(findings)


def _certificate(path: Path) -> Finding:
    try:
        expiry = Expiry.of_chain(read_regular(path, most=_MAX_CERTIFICATE_BYTES)[0])
    except (OSError, ValueError) as error:
        said = (error.strerror if isinstance(error, OSError) else None) or str(error)
        return Finding("certificate", f"{path}: {said}", "bad", "give the PEM file of --tls-certificate")
    advice = "" if expiry.severity == "good" else "renew it; a running server reads the file again by itself"
    return Finding("certificate", f"{path}: {expiry}", expiry.severity, advice)


def _machine() -> list[Finding]:
    """What the engine says, in a process of its own: this one never loads native cryptography."""
    command = [sys.executable, "-m", "cryptable_engine.self_check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_SECONDS)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        return [Finding("cryptable-engine", f"does not run: {said}", "bad", "install cryptable-server again")]
    return from_json(done.stdout)
