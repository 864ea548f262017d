"""cryptable-server tokens: make, list and revoke bearer tokens."""

from __future__ import annotations

import argparse
import json
import os
import stat
import sys
from pathlib import Path

from cryptable_protocol.files.whole import whole_file

from cryptable_server.calls.tokens import new_token, read_tokens, revoke_token
from cryptable_server.errors import ConfigurationError
from cryptable_server.principals import USUAL_ROLES, Role


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `tokens new|list|revoke` to a parser's commands."""
    parser = commands.add_parser("tokens", help="make, list and revoke the bearer tokens that callers show")
    ways = parser.add_subparsers(metavar="COMMAND", required=True)

    new = ways.add_parser("new", help="make a token and write it to standard output, once")
    new.add_argument("principal", metavar="NAME", help="whose it is; several tokens may have one name")
    new.add_argument(
        "--roles",
        default=",".join(role.value for role in Role if role in USUAL_ROLES),
        help=f"what it may do, of {', '.join(role.value for role in Role)}, with commas between (default: %(default)s)",
    )
    new.add_argument(
        "--output",
        type=Path,
        metavar="TOKEN_FILE",
        help="write it there instead, readable by you alone; no file of that name may be there",
    )
    new.set_defaults(run=_new)
    show = ways.add_parser("list", help="tell who has tokens")
    show.add_argument("--json", action="store_true", help="for scripts")
    show.set_defaults(run=_list)
    revoke = ways.add_parser("revoke", help="have a token refused, by running servers too")
    revoke.add_argument("identity", metavar="ID", help="as list tells it; the token's second part")
    revoke.set_defaults(run=_revoke)
    for way in (new, show, revoke):
        way.add_argument("--file", type=Path, required=True, help="the server's --tokens")
        way.set_defaults(log_level="WARNING", parser=way)


def _new(options: argparse.Namespace) -> None:
    roles = [Role.named(name) for name in options.roles.split(",")]
    if options.output is None:
        token, secret = new_token(options.file, options.principal, roles)
        sys.stderr.write(f"token {token.identity} for {token.principal!r}; it is not shown again:\n")
        sys.stdout.write(f"{secret}\n")
        _warn_of_readers(sys.stdout.fileno())
        return
    if options.output.exists():
        raise ConfigurationError(f"--output {options.output} is there already; name another file")
    try:
        with whole_file(options.output, overwrite=False) as file:
            token, secret = new_token(options.file, options.principal, roles)
            file.write(f"{secret}\n".encode())
    except OSError as error:
        raise ConfigurationError(f"--output {options.output}: {error.strerror or error}") from error
    sys.stderr.write(f"token {token.identity} for {token.principal!r} is in {options.output}\n")


def _warn_of_readers(descriptor: int) -> None:
    """Where a shell has sent the token into a file, it has made it with the usual mode."""
    try:
        status = os.fstat(descriptor)
    except OSError:
        return
    if stat.S_ISREG(status.st_mode) and status.st_mode & 0o077:
        sys.stderr.write(
            "cryptable-server: others may read the file that the token was written to: chmod 600 it, or use --output, "
            "which makes it so\n"
        )


def _list(options: argparse.Namespace) -> None:
    tokens = read_tokens(options.file)
    if options.json:
        facts = [
            {
                "identity": token.identity,
                "principal": token.principal,
                "roles": sorted(role.value for role in token.roles),
                "created": token.created,
            }
            for token in tokens
        ]
        sys.stdout.write(json.dumps(facts, indent=1) + "\n")
        return
    for token in tokens:
        roles = ",".join(sorted(role.value for role in token.roles))
        sys.stdout.write(f"{token.identity}  {token.created}  {roles}  {token.principal}\n")


def _revoke(options: argparse.Namespace) -> None:
    token = revoke_token(options.file, options.identity)
    sys.stderr.write(f"token {token.identity} of {token.principal!r} is revoked\n")
