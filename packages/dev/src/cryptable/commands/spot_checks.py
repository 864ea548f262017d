"""`cryptable spot-checks`: rows with known answers, signed, for users to check a server with."""

from __future__ import annotations

import argparse
from pathlib import Path

from cryptable.commands.files import read_passphrase, read_rows
from cryptable.commands.registry import command
from cryptable.compiled.compiled_model import load


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("artifact", type=Path, help="the model")
    parser.add_argument("rows", type=Path, help="rows as users' are, made up (.csv, .parquet or .npy)")
    parser.add_argument("output", type=Path, help="file to write, for users and not for who runs the server")
    parser.add_argument("--key", type=Path, required=True, help="private key that the model is signed with")
    parser.add_argument("--passphrase-file", type=Path, help="file whose first line decrypts the key")


@command(
    "spot-checks",
    summary="write rows with known answers, for users to check a server with",
    description=(
        "Evaluate rows in the clear, and write them with their answers, signed: a client sends some of them among its "
        "user's rows (cryptable-client predict --spot-checks), where the server cannot tell them apart. Who has the "
        "file can read the rows: make them up. A server that has the file can answer them alone rightly."
    ),
    configure=_configure,
)
def run(arguments: argparse.Namespace) -> int:
    """Write the file."""
    model = load(arguments.artifact)
    rows = read_rows(arguments.rows, model.artifact.client_spec.features)
    passphrase = read_passphrase(arguments.passphrase_file)
    model.export_spot_checks(arguments.output, rows, signing_key=arguments.key, passphrase=passphrase)
    return 0
