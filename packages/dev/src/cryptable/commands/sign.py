"""`cryptable sign`: a developer vouches for an artifact."""

from __future__ import annotations

import argparse
from pathlib import Path

from cryptable.commands.files import read_passphrase
from cryptable.commands.registry import command
from cryptable.compiled.compiled_model import load
from cryptable.compiled.signing import read_signing_key


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("artifact", type=Path, help="file to sign, in place")
    parser.add_argument("--key", type=Path, required=True, help="private key of cryptable keygen-signing")
    parser.add_argument("--passphrase-file", type=Path, help="file whose first line decrypts the key")


@command(
    "sign",
    summary="sign an artifact",
    description="Sign an artifact, so that clients can tell it from a model by anybody else.",
    configure=_configure,
)
def run(arguments: argparse.Namespace) -> int:
    """Sign the file in place; print the public key."""
    key = read_signing_key(arguments.key, passphrase=read_passphrase(arguments.passphrase_file))
    load(arguments.artifact).save(arguments.artifact, signing_key=key)
    print(key.public_key().public_bytes_raw().hex())  # noqa: T201
    return 0
