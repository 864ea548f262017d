"""The command line: list a server's models, make keys, and predict the rows of a CSV file under encryption."""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptable_client import __version__

if TYPE_CHECKING:
    import numpy.typing as npt

    from cryptable_client.remote import RemoteModel
    from cryptable_client.secret_keys import SecretKeys

PASSPHRASE_VARIABLE = "CRYPTABLE_PASSPHRASE"  # noqa: S105 (a variable's name)
EVALUATION_KEYS_SUFFIX = ".evaluation-keys"

EXIT_CODES = """\
exit status:
  0    done
  1    an error of another kind
  2    wrong use of the command line
  3    the input data, a file or an argument does not fit
  4    the server's parameters are not secure, or its messages are malformed: nothing was sent
  5    the server cannot be reached, refuses or fails
  6    the key file cannot be used (wrong passphrase, damaged)
  130  interrupted
"""
DESCRIPTION = """\
Predictions by a model on a server that never sees your data: rows are encrypted here, evaluated there, and the answers
decrypted here. Secret keys never leave this machine.

  cryptable-client models  --address HOST:PORT
  cryptable-client predict --address HOST:PORT --model NAME --input data.csv --output out.csv

With keys made for each run, a run uploads tens of megabytes of evaluation keys. To upload them once, keep the keys:

  cryptable-client keygen  --address HOST:PORT --model NAME --output my.keys
  cryptable-client predict --address HOST:PORT --model NAME --keys my.keys --input data.csv --output out.csv
"""
KEYS_EPILOG = f"""\
The key file is encrypted with a passphrase: asked for, or the first line of --passphrase-file, or the environment
variable {PASSPHRASE_VARIABLE}. The evaluation keys, which are public, are kept beside it, with the ending
{EVALUATION_KEYS_SUFFIX}.

{EXIT_CODES}"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    options = _parser().parse_args(arguments)
    from cryptable_protocol.errors import CryptableError, InvalidInputError, MalformedMessageError

    from cryptable_client.errors import KeyFileError, ServerError, WeakParametersError

    try:
        options.run(options)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except (CryptableError, OSError) as error:
        print(f"cryptable-client: {error}", file=sys.stderr)
        match error:
            case InvalidInputError() | OSError():
                return 3
            case WeakParametersError() | MalformedMessageError():
                return 4
            case ServerError():
                return 5
            case KeyFileError():
                return 6
            case _:
                return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cryptable-client",
        description=DESCRIPTION,
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"cryptable-client {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="models | keygen | predict")

    server = argparse.ArgumentParser(add_help=False)
    server.add_argument("--address", required=True, metavar="HOST:PORT", help="the server")
    server.add_argument(
        "--root-certificates",
        metavar="FILE",
        help="PEM file, for a server with a certificate of its own",
    )
    server.add_argument("--insecure", action="store_true", help="no TLS; only for a server on this machine")
    server.add_argument(
        "--timeout", type=float, default=120.0, metavar="SECONDS", help="longest wait for an answer (default 120)"
    )
    passphrase = argparse.ArgumentParser(add_help=False)
    passphrase.add_argument("--passphrase-file", metavar="FILE", help="file whose first line is the passphrase")
    passphrase.add_argument(
        "--insecure-plaintext",
        action="store_true",
        help="the key file is not encrypted: who reads it has your keys",
    )

    models = _command(commands, "models", "list the models that a server offers", [server])
    models.set_defaults(run=_models)

    keygen = _command(commands, "keygen", "make keys for a model and save them", [server, passphrase])
    keygen.add_argument("--model", required=True, metavar="NAME", help="the model, or one with the same keyset")
    keygen.add_argument("--output", required=True, metavar="FILE", help="the key file to write")
    keygen.add_argument("--overwrite", action="store_true", help="replace a key file that exists; its keys are lost")
    keygen.set_defaults(run=_keygen)

    predict = _command(commands, "predict", "predict the rows of a CSV file", [server, passphrase])
    predict.add_argument("--model", required=True, metavar="NAME", help="the model")
    predict.add_argument("--input", required=True, metavar="FILE", help="CSV with a header of names; - for stdin")
    predict.add_argument("--output", required=True, metavar="FILE", help="CSV to write; - for stdout")
    predict.add_argument("--keys", metavar="FILE", help="key file from keygen; without, keys are made for this run")
    answer = predict.add_mutually_exclusive_group()
    answer.add_argument("--probabilities", action="store_true", help="write the probability of each label")
    answer.add_argument("--scores", action="store_true", help="write the model's scores")
    predict.set_defaults(run=_predict)
    return parser


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    purpose: str,
    parents: list[argparse.ArgumentParser],
) -> argparse.ArgumentParser:
    return commands.add_parser(
        name,
        help=purpose,
        description=f"{purpose[0].upper()}{purpose[1:]}.",
        epilog=EXIT_CODES if name == "models" else KEYS_EPILOG,
        parents=parents,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _models(options: argparse.Namespace) -> None:
    from cryptable_client.connection import list_models

    models = list_models(options.address, **_server(options))
    lines = [("MODEL", "VERSION", "KEYSET"), *((model.name, model.version, model.keyset_name[:16]) for model in models)]
    widths = [max(len(_clean(line[column])) for line in lines) for column in range(3)]
    for line in lines:
        print("  ".join(_clean(cell).ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _keygen(options: argparse.Namespace) -> None:
    from cryptable_protocol.errors import InvalidInputError

    from cryptable_client.connection import fetch_spec
    from cryptable_client.secret_keys import SecretKeys

    if Path(options.output).exists() and not options.overwrite:
        raise InvalidInputError(f"{options.output} exists: choose another --output, or --overwrite its keys")
    spec = fetch_spec(options.address, model=options.model, **_server(options))
    with SecretKeys.generate(spec) as secret_keys:
        secret_keys.save(
            options.output,
            passphrase=_passphrase(options, confirm=True),
            insecure_plaintext=options.insecure_plaintext,
            overwrite=options.overwrite,
        )
    # Evaluation keys of the keys that were overwritten are of no more use.
    Path(options.output + EVALUATION_KEYS_SUFFIX).unlink(missing_ok=True)
    print(f"wrote {options.output}: keys of keyset {spec.keyset.name.hex()[:16]}", file=sys.stderr)


def _predict(options: argparse.Namespace) -> None:
    from cryptable_protocol.categorical_encoder import CategoricalEncoder
    from cryptable_protocol.encoders import encode_rows

    from cryptable_client.connection import connect, fetch_spec
    from cryptable_client.csv_table import read_table, write_table

    place = {"model": options.model, **_server(options)}
    spec = fetch_spec(options.address, **place)
    text_columns = {
        feature.name
        for feature in spec.features
        if isinstance(feature, CategoricalEncoder) and isinstance(feature.categories[0], str)
    }
    table, left_out = read_table(options.input, spec.feature_names, text_columns=text_columns)
    if left_out:
        print(f"left out, since the model does not read them: {', '.join(map(_clean, left_out))}", file=sys.stderr)
    encode_rows(spec.features, table)  # refuses bad rows before anything is generated or sent
    secret_keys = _load_keys(options)
    try:
        kept = None if secret_keys is None else options.keys + EVALUATION_KEYS_SUFFIX
        with connect(options.address, secret_keys=secret_keys, evaluation_keys=kept, **place) as remote:
            header, rows = _answers(options, remote, table)
    finally:
        if secret_keys is not None:
            secret_keys.close()
    write_table(options.output, header, rows)


def _answers(
    options: argparse.Namespace, remote: RemoteModel, table: npt.NDArray[Any]
) -> tuple[list[str], Iterable[Sequence[Any]]]:
    labels = remote.spec.decoder.labels
    if options.probabilities:
        return [f"probability_{label}" for label in labels or ()], remote.predict_proba(table).tolist()
    what, answers = (
        ("score", remote.decision_function(table)) if options.scores else ("prediction", remote.predict(table))
    )
    if answers.ndim == 1:
        return [what], ([answer] for answer in answers.tolist())
    return [f"{what}_{index}" for index in range(answers.shape[1])], answers.tolist()


def _server(options: argparse.Namespace) -> dict[str, Any]:
    return {
        "root_certificates": options.root_certificates,
        "insecure": options.insecure,
        "timeout": options.timeout,
    }


def _load_keys(options: argparse.Namespace) -> SecretKeys | None:
    if options.keys is None:
        return None
    from cryptable_client.secret_keys import SecretKeys

    passphrase = _passphrase(options, confirm=False)
    return SecretKeys.load(options.keys, passphrase=passphrase, insecure_plaintext=options.insecure_plaintext)


def _passphrase(options: argparse.Namespace, *, confirm: bool) -> str | None:
    from cryptable_protocol.errors import InvalidInputError

    if options.insecure_plaintext:
        return None
    if options.passphrase_file is not None:
        lines = Path(options.passphrase_file).read_text(encoding="utf-8").splitlines()
        return lines[0] if lines else ""
    if PASSPHRASE_VARIABLE in os.environ:
        return os.environ[PASSPHRASE_VARIABLE]
    if not sys.stdin.isatty():
        raise InvalidInputError(
            f"no passphrase: give --passphrase-file, or set {PASSPHRASE_VARIABLE}, where there is no terminal to ask on"
        )
    passphrase = getpass.getpass("passphrase of the key file: ")
    if confirm and getpass.getpass("once more: ") != passphrase:
        raise InvalidInputError("the two passphrases differ: try again")
    return passphrase


def _clean(text: str) -> str:
    # Names come from the server or a file: nothing in them may steer the terminal.
    return "".join(character if character.isprintable() else "?" for character in text)


if __name__ == "__main__":
    sys.exit(main())
