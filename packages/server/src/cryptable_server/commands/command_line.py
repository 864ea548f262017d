"""The command line of cryptable-server: its commands, and errors to exit statuses."""

from __future__ import annotations

import argparse
import logging
import re
import sys
from collections.abc import Sequence

from cryptable_protocol import CryptableError

from cryptable_server import __version__
from cryptable_server.commands import administer, doctor, serve, tokens
from cryptable_server.errors import CommandError, StartError
from cryptable_server.logs import configure
from cryptable_server.settings.sources import near_miss


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    options, unknown = _parser().parse_known_args(arguments)
    if unknown:
        known = re.findall(r"--[a-z-]+", options.parser.format_usage())
        near = near_miss(unknown[0].partition("=")[0], known)
        options.parser.error(f"unknown argument {unknown[0]}{near}")
    configure(options.log_level)
    try:
        status: int | None = options.run(options)
    except KeyboardInterrupt:
        return 0
    except (StartError, CommandError) as error:
        sys.stderr.write(f"cryptable-server: {error}\n")
        return error.exit_status
    except CryptableError as error:
        sys.stderr.write(f"cryptable-server: {error}\n")
        return 1
    except Exception:  # the log has the traceback
        logging.getLogger(__name__).exception("unexpected error")
        return 1
    return status or 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "cryptable-server",
        description=serve.DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"cryptable-server {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for module in (serve, tokens, administer, doctor):
        module.add_command(commands)
    return parser
