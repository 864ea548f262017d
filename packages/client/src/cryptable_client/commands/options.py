"""What several subcommands take: where the server is, what is trusted, which keys, which passphrase."""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptable_client.keys.directory import KeyDirectory

if TYPE_CHECKING:
    from cryptable_protocol.model.client_spec import ClientSpec

    from cryptable_client.server.access import Access
    from cryptable_client.server.connection import Server
    from cryptable_client.server.trust import Trust

Parsers = argparse._SubParsersAction

PASSPHRASE_VARIABLE = "CRYPTABLE_PASSPHRASE"  # noqa: S105 (a variable's name)
EVALUATION_KEYS_SUFFIX = ".evaluation-keys"

EXIT_CODES = """\
exit status:
  0    done
  1    an error of another kind
  2    wrong use of the command line
  3    the input data, a file or an argument does not fit
  4    the server's parameters are not secure, its messages are malformed, or the model is not the one that was
       trusted: nothing was sent
  5    the server cannot be reached, refuses or fails
  6    the key file cannot be used (wrong passphrase, damaged, expired, retired)
  7    the server answered spot checks wrongly: its answers were not written, the keys are retired
  130  interrupted
"""
KEYS_EPILOG = f"""\
The key file is encrypted with a passphrase: asked for, or the first line of --passphrase-file, or the environment
variable {PASSPHRASE_VARIABLE}. The evaluation keys, which are public, are kept beside it, with the ending
{EVALUATION_KEYS_SUFFIX}.

{EXIT_CODES}"""


def add_command(
    commands: Parsers[argparse.ArgumentParser],
    name: str,
    purpose: str,
    *parents: argparse.ArgumentParser,
    epilog: str = EXIT_CODES,
) -> argparse.ArgumentParser:
    """A subcommand's parser."""
    return commands.add_parser(
        name,
        help=purpose,
        description=f"{purpose[0].upper()}{purpose[1:]}.",
        epilog=epilog,
        parents=parents,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def access_options(*, required: bool = True) -> argparse.ArgumentParser:
    """How a server is reached."""
    parser = argparse.ArgumentParser(add_help=False)
    server = parser.add_argument_group("server")
    server.add_argument("--address", required=required, metavar="HOST:PORT", help="the server")
    server.add_argument(
        "--root-certificates", metavar="FILE", help="PEM file, for a server with a certificate of its own"
    )
    server.add_argument("--insecure", action="store_true", help="no TLS; only for a server on this machine")
    server.add_argument("--client-certificate", metavar="FILE", help="your own certificate, PEM, where it is asked for")
    server.add_argument("--client-key", metavar="FILE", help="its private key, PEM, unencrypted")
    server.add_argument(
        "--token-file",
        metavar="FILE",
        help="file whose first line is your token; by default the environment variable CRYPTABLE_TOKEN",
    )
    server.add_argument(
        "--timeout", type=float, default=120.0, metavar="SECONDS", help="longest wait for an answer (default 120)"
    )
    return parser


def trust_options() -> argparse.ArgumentParser:
    """What a model must be."""
    parser = argparse.ArgumentParser(add_help=False)
    trust = parser.add_argument_group("trust")
    trust.add_argument("--signer", metavar="HEX", help="public key that must have signed the model")
    trust.add_argument(
        "--pins", metavar="DIR", help="folder that remembers signers and parameters (default: in your configuration)"
    )
    trust.add_argument("--no-pins", action="store_true", help="remember nothing, compare with nothing")
    trust.add_argument(
        "--accept-changes", action="store_true", help="the model's signer or parameters may differ from the first use"
    )
    trust.add_argument(
        "--security-bits",
        type=int,
        choices=(128, 132),
        default=128,
        help="that all parameters must give (default 128; what Cryptable compiles gives 128, so 132 refuses it)",
    )
    return parser


def passphrase_options() -> argparse.ArgumentParser:
    """How key files are opened."""
    parser = argparse.ArgumentParser(add_help=False)
    group = parser.add_argument_group("key file")
    group.add_argument("--passphrase-file", metavar="FILE", help="file whose first line is the passphrase")
    group.add_argument(
        "--insecure-plaintext",
        action="store_true",
        help="the key file is not encrypted: who reads it has your keys",
    )
    return parser


def directory_options(parser: argparse.ArgumentParser) -> None:
    """Where keys are kept."""
    parser.add_argument("--key-directory", metavar="DIR", help="folder of keys (default: in your data folder)")


def output_options(parser: argparse.ArgumentParser) -> None:
    """Which answers are written, and where to."""
    parser.add_argument("--output", required=True, metavar="FILE", help="CSV or .parquet to write; - for stdout")
    answer = parser.add_mutually_exclusive_group()
    answer.add_argument("--probabilities", action="store_true", help="write the probability of each label")
    answer.add_argument("--scores", action="store_true", help="write the model's scores")
    answer.add_argument(
        "--contributions",
        action="store_true",
        help="write the model's scores, and what each is a sum of: a base, and a column for each feature or pair; only "
        "of a model that was compiled for it",
    )


def access_of(options: argparse.Namespace) -> Access:
    """How the server is reached."""
    from cryptable_client.server.access import Access

    return Access(
        address=options.address,
        root_certificates=options.root_certificates,
        insecure=options.insecure,
        client_certificate=options.client_certificate,
        client_key=options.client_key,
        token=None if options.token_file is None else first_line(options.token_file),
        timeout=options.timeout,
    )


def trust_of(options: argparse.Namespace, access: Access) -> Trust:
    """What a model there must be."""
    from cryptable_client.server.connection import make_trust

    return make_trust(
        access,
        options.signer,
        False if options.no_pins else options.pins,
        accept_changes=options.accept_changes,
        security_bits=options.security_bits,
    )


def server_of(options: argparse.Namespace) -> Server:
    """The server, and what its models must be."""
    from cryptable_client.server.connection import Server

    access = access_of(options)
    return Server._of(access, trust_of(options, access))


def spec_of(options: argparse.Namespace) -> ClientSpec:
    """The specification from --spec, or else from the server."""
    from cryptable_protocol.errors import InvalidInputError
    from cryptable_protocol.model.client_spec import ClientSpec

    if options.spec is None:
        if options.address is None or options.model is None:
            raise InvalidInputError("say for which model: --address and --model, or --spec FILE")
        return server_of(options).spec(options.model)
    from cryptable_client.schemes.scheme import check_security

    spec = ClientSpec.from_bytes(read_spec(options.spec))
    check_security(spec)
    return spec


def read_spec(path: str) -> bytes:
    """A file's bytes, no more of them than a specification has."""
    from cryptable_protocol import limits
    from cryptable_protocol.errors import LimitExceededError

    with Path(path).open("rb") as file:
        data = file.read(limits.MAX_CLIENT_SPEC_BYTES + 1)
    if len(data) > limits.MAX_CLIENT_SPEC_BYTES:
        raise LimitExceededError(f"{path}: more than the {limits.MAX_CLIENT_SPEC_BYTES} bytes of a client spec")
    return data


def expiry_of(options: argparse.Namespace) -> datetime | None:
    """When new keys expire."""
    from cryptable_protocol.errors import InvalidInputError

    if options.expires_days is None:
        return None
    try:
        return datetime.now(timezone.utc) + timedelta(days=options.expires_days)
    except (OverflowError, ValueError) as error:
        raise InvalidInputError(
            f"--expires-days {options.expires_days}: keys live until the year 9999 at most"
        ) from error


def key_directory(options: argparse.Namespace) -> KeyDirectory:
    """Where keys are kept."""
    return KeyDirectory(options.key_directory or None)


def protection(options: argparse.Namespace, *, confirm: bool = False) -> dict[str, Any]:
    """Arguments of `SecretKeys.save` and `load`."""
    return {"passphrase": passphrase(options, confirm=confirm), "insecure_plaintext": options.insecure_plaintext}


def passphrase(options: argparse.Namespace, *, confirm: bool) -> str | None:
    """The passphrase from its file, the environment or the terminal."""
    from cryptable_protocol.errors import InvalidInputError

    if options.insecure_plaintext:
        return None
    if options.passphrase_file is not None:
        return first_line(options.passphrase_file)
    if PASSPHRASE_VARIABLE in os.environ:
        return os.environ[PASSPHRASE_VARIABLE]
    if not sys.stdin.isatty():
        raise InvalidInputError(
            f"no passphrase: give --passphrase-file, or set {PASSPHRASE_VARIABLE}, where there is no terminal to ask on"
        )
    given = getpass.getpass("passphrase of the key file: ")
    if confirm and getpass.getpass("once more: ") != given:
        raise InvalidInputError("the two passphrases differ: try again")
    return given


def first_line(path: str) -> str:
    """A file's first line."""
    from cryptable_protocol.errors import InvalidInputError

    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"{path} is not a text in UTF-8, whose first line could be taken") from error
    return lines[0].strip() if lines else ""


def clean(text: str) -> str:
    """Text that came from a server or a file, so that nothing in it can steer the terminal."""
    return "".join(character if character.isprintable() else "?" for character in text)


def say(text: str) -> None:
    """A message for people, on standard error."""
    print(text, file=sys.stderr)


def print_columns(lines: list[tuple[str, ...]]) -> None:
    """Lines with their cells one below the other."""
    widths = [max(len(clean(cell)) for cell in column) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(clean(cell).ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
