"""`cryptable card`: a signed, machine-readable card of a model, and its verification."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from cryptable_protocol import InvalidInputError

from cryptable.commands.files import read_passphrase, read_rows, read_truth
from cryptable.commands.registry import command
from cryptable.compiled.card import read_card, write_card
from cryptable.compiled.compiled_model import load


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="MODEL", help="the model; with --verify, the card")
    parser.add_argument("--output", type=Path, metavar="FILE", help="card to write; by default MODEL.card.json")
    parser.add_argument("--key", type=Path, help="private key of cryptable keygen-signing, to sign it with")
    parser.add_argument("--passphrase-file", type=Path, help="file whose first line decrypts the key")
    parser.add_argument("--rows", type=Path, help="rows to measure on (.csv, .parquet or .npy), without the target")
    parser.add_argument("--truth", type=Path, help="their labels or targets, one a row, for the accuracy")
    parser.add_argument("--encrypted-rows", type=int, default=3, help="rows to evaluate under encryption; by default 3")
    parser.add_argument("--verify", action="store_true", help="verify a card instead, and print it")
    parser.add_argument("--signer", metavar="HEX", help="with --verify: public key that must have signed it")
    parser.add_argument("--model", type=Path, help="with --verify: the artifact that it must be of")


@command(
    "card",
    summary="write a signed card of a model, or verify one",
    description=(
        "Write a signed card, in canonical JSON: what a prediction costs, its security, what each party learns, and "
        "on --rows the accuracy and how encrypted, clear and float predictions agree. --verify refuses a card of which "
        "a byte was changed, and prints it."
    ),
    configure=_configure,
)
def run(arguments: argparse.Namespace) -> int:
    """Write or verify; verified content goes to standard output."""
    if arguments.verify:
        model = None if arguments.model is None else load(arguments.model)
        document = read_card(arguments.file, signer=arguments.signer, model=model)
        sys.stdout.write(json.dumps({"signer": document.public_key, **document.content}, indent=2) + "\n")
        return 0
    if arguments.key is None:
        raise InvalidInputError("a card is signed: give --key, of `cryptable keygen-signing`")
    model = load(arguments.file)
    rows = None if arguments.rows is None else read_rows(arguments.rows, model.artifact.client_spec.features)
    truth = None if arguments.truth is None else read_truth(arguments.truth, model.artifact.client_spec.decoder.labels)
    output = arguments.output or arguments.file.with_name(f"{arguments.file.name}.card.json")
    write_card(
        output,
        model,
        rows,
        truth,
        signing_key=arguments.key,
        passphrase=read_passphrase(arguments.passphrase_file),
        encrypted_rows=arguments.encrypted_rows,
    )
    return 0
