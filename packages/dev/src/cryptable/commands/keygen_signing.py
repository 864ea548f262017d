"""`cryptable keygen-signing`: a key to sign models with."""

from __future__ import annotations

import argparse
from pathlib import Path

from cryptable.commands.files import read_passphrase
from cryptable.commands.registry import command
from cryptable.compiled.signing import make_signing_key


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("output", type=Path, help="PEM file to write, readable by you alone; never replaced")
    parser.add_argument("--passphrase-file", type=Path, help="file whose first line encrypts the key")


@command(
    "keygen-signing",
    summary="make a key to sign models with",
    description=(
        "Make an Ed25519 key to sign models with (cryptable sign), and print its public half, which users can give to "
        "their client as the signer that they expect."
    ),
    configure=_configure,
)
def run(arguments: argparse.Namespace) -> int:
    """Write the key, print the public one."""
    print(make_signing_key(arguments.output, passphrase=read_passphrase(arguments.passphrase_file)))  # noqa: T201
    return 0
