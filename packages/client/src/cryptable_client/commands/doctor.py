"""`doctor`: whether this device can encrypt and reach a server, and what to do where it cannot."""

from __future__ import annotations

import argparse

from cryptable_client.commands.options import Parsers, access_of, access_options, add_command, clean


def configure(commands: Parsers[argparse.ArgumentParser]) -> None:
    """Add the parser."""
    purpose = "say what this device lacks, and with --address what is wrong with the way to a server"
    parser = add_command(commands, "doctor", purpose, access_options(required=False))
    parser.add_argument("--json", action="store_true", help="for scripts")
    parser.set_defaults(run=_doctor)


def _doctor(options: argparse.Namespace) -> int:
    from cryptable_protocol.errors import CryptableError
    from cryptable_protocol.files.places import config_folder, data_folder
    from cryptable_protocol.findings import (
        Finding,
        exit_status,
        folder_finding,
        package_findings,
        python_finding,
        to_json,
        to_lines,
    )

    from cryptable_client.server.connection import Server
    from cryptable_client.server.trust import Trust

    findings = [
        python_finding((3, 10), None),
        *package_findings(
            ("cryptography", "grpcio", "numpy", "protobuf"), ours=("cryptable-client", "cryptable-protocol")
        ),
        folder_finding("keys", data_folder()),
        folder_finding("pins", config_folder()),
    ]
    if options.address is None:
        findings.append(Finding("server", "not looked for", "good", "give --address to try one"))
    else:
        try:
            models = Server._of(access_of(options), Trust()).models()
        except (CryptableError, OSError) as error:
            findings.append(Finding("server", clean(str(error)), "bad", "see the documentation's Troubleshooting"))
        else:
            findings.append(Finding("server", f"{options.address} offers {len(models)} models"))
    print(to_json(findings) if options.json else "\n".join(to_lines(findings)))
    return exit_status(findings)
