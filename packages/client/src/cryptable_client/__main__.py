"""The command line: models, keys and predictions, with a connection or by files that are moved by hand."""

from __future__ import annotations

import argparse
import io
import sys
import warnings
from collections.abc import Sequence

from cryptable_client import __version__
from cryptable_client.commands import doctor, keys, models, offline, predict
from cryptable_client.commands.options import EXIT_CODES

DESCRIPTION = """\
Predictions by a model on a server that never sees your data: rows are encrypted here, evaluated there, and the answers
decrypted here. Secret keys never leave this machine.

  cryptable-client models  --address HOST:PORT
  cryptable-client predict --address HOST:PORT --model NAME --input data.csv --output out.csv

With keys made for each run, a run uploads tens of megabytes of evaluation keys. To upload them once, keep the keys:

  cryptable-client keys new --address HOST:PORT --model NAME
  cryptable-client predict  --address HOST:PORT --model NAME --key-directory --input data.csv --output out.csv

On a device without a connection (relay runs where there is one):

  cryptable-client keygen  --spec model.spec --output my.keys --evaluation-keys
  cryptable-client encrypt --spec model.spec --keys my.keys --input data.csv --output rows
  cryptable-client relay   --address HOST:PORT --model NAME --evaluation-keys my.keys.evaluation-keys \\
                           --input rows --output answers
  cryptable-client decrypt --spec model.spec --keys my.keys --input answers --output out.csv
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # what it cannot show is no reason to fail
        sys.stdout.reconfigure(errors="backslashreplace")
    options = _parser().parse_args(arguments)
    from cryptable_protocol.errors import CryptableError, InvalidInputError, MalformedMessageError

    from cryptable_client.errors import (
        KeyFileError,
        ServerError,
        TrustError,
        UnknownSchemeError,
        WeakParametersError,
        WrongAnswersError,
    )

    try:
        with warnings.catch_warnings():
            warnings.showwarning = _say_warning
            status: int | None = options.run(options)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except (CryptableError, OSError) as error:
        print(f"cryptable-client: {error}", file=sys.stderr)
        match error:
            case InvalidInputError() | OSError():
                return 3
            case WeakParametersError() | UnknownSchemeError() | MalformedMessageError() | TrustError():
                return 4
            case ServerError():
                return 5
            case KeyFileError():
                return 6
            case WrongAnswersError():
                return 7
            case _:
                return 1
    return status or 0


def _say_warning(message: Warning | str, *_: object, **__: object) -> None:
    """A warning for people, who have no use for the line of code that it comes from."""
    print(f"cryptable-client: {message}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cryptable-client",
        description=DESCRIPTION,
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"cryptable-client {__version__}")
    names = "models | spec | keys | keygen | predict | encrypt | decrypt | relay | doctor"
    commands = parser.add_subparsers(title="commands", required=True, metavar=names)
    for each in (models, keys, predict, offline, doctor):
        each.configure(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
