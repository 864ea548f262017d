"""The command line of the developer's package."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from cryptable_protocol import CryptableError, InternalError

from cryptable import __version__
from cryptable.commands import commands

_INTERRUPTED = 130
_EPILOG = """\
Then: cryptable-server serve --models DIR, and cryptable_client.connect on the user's device.

Tables and colours are for terminals (NO_COLOR turns colours off); elsewhere each row is a line, its cells with tabs
between. --json, where a subcommand has it, is for scripts.

exit status:
  0    done
  1    it failed, or what was checked is not as it should be: the message says why
  2    wrong use of the command line
  130  interrupted"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand; returns the exit status: 0, 1 where it failed, 2 where it was called wrongly."""
    parser = argparse.ArgumentParser(
        prog="cryptable",
        description="Compile a trained model so that a server can evaluate it on encrypted data.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"cryptable {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for each in commands():
        subparser = subparsers.add_parser(each.name, help=each.summary, description=each.description)
        each.configure(subparser)
        subparser.set_defaults(run=each.run)
    parsed = parser.parse_args(arguments)
    try:
        status: int = parsed.run(parsed)
    except InternalError:
        raise
    except (CryptableError, OSError) as error:
        print(f"cryptable {parsed.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return _INTERRUPTED
    return status


if __name__ == "__main__":
    sys.exit(main())
