"""cryptable-server serve: options, one for each setting, to a configuration, which is served or printed."""

from __future__ import annotations

import argparse
import os
import sys
from itertools import groupby

from cryptable_server.lifecycle.server import serve
from cryptable_server.logs import configure
from cryptable_server.settings.config import declared_settings
from cryptable_server.settings.declaration import ENVIRONMENT_PREFIX, Setting
from cryptable_server.settings.kinds import Switch
from cryptable_server.settings.sources import FILE_VARIABLE, load

DESCRIPTION = """\
Evaluate machine-learning models on encrypted data, over gRPC.

The server sees ciphertexts and evaluation keys: never a secret key, an input or a prediction."""

_EPILOG = f"""\
how settings are given:
  Every option below but --config and --print-config is a setting, and can be given in three ways: as the option, as a
  variable ({ENVIRONMENT_PREFIX}KEY_QUOTA=64 for --key-quota 64), or as a key of a TOML file (key-quota = 64). Options
  go before variables, those before the file. --print-config tells what comes of them, and where each was set.

examples:
  try it on this machine, with a certificate made for the purpose:
    cryptable-server serve --models models/ --development-certificate tls/
  on a network:
    cryptable-server serve --models models/ --address 0.0.0.0:50051 \\
        --tls-certificate chain.pem --tls-key key.pem
  for callers that show a token:
    cryptable-server tokens new --file tokens.json alice
    cryptable-server serve --models models/ --tokens tokens.json ...
  on this machine only, without TLS:
    cryptable-server serve --models models/ --insecure
  with a file of settings, begun from what options say now:
    cryptable-server serve --models models/ --insecure --print-config > server.toml
    cryptable-server serve --config server.toml

Once calls are answered, one line goes to standard output: "cryptable-server ready on HOST:PORT". Logs go to standard
error, one JSON object a line. SIGHUP reads the models again. SIGTERM or Ctrl-C drains: health checks fail, calls in
progress may end, new ones are refused; a second signal ends them at once.

exit status:
  0  stopped by a signal, after draining
  1  an error of the server itself; please report it
  2  settings that cannot be used
  3  no model can be served, or two artifacts have one name
  4  the address cannot be listened on, or the evaluation workers do not come up"""


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `serve` to a parser's commands."""
    parser = commands.add_parser(
        "serve",
        help="serve a directory of models",
        description=DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    parser.set_defaults(run=_run, log_level="INFO", parser=parser)
    sources = parser.add_argument_group("settings")
    sources.add_argument("--config", metavar="FILE", help=f"of settings, TOML (or {FILE_VARIABLE})")
    sources.add_argument("--print-config", action="store_true", help="print the effective configuration, and end")
    for name, members in groupby((declared for _, declared in declared_settings()), key=lambda each: each.group):
        group = parser.add_argument_group(name)
        for declared in members:
            _add_option(group, declared)


def _add_option(group: argparse._ArgumentGroup, declared: Setting) -> None:
    # A prefix keeps settings apart from what else the parser's result holds.
    destination = f"setting {declared.name}"
    about = declared.help.replace("%", "%%")
    if isinstance(declared.kind, Switch):
        group.add_argument(declared.option, dest=destination, nargs="?", const="true", metavar="false", help=about)
        return
    default = "" if declared.default is None and declared.default_text is None else declared.shown_default
    shown = f" (default: {default})" if default and not declared.required else ""
    group.add_argument(declared.option, dest=destination, metavar=declared.kind.metavar, help=f"{about}{shown}")


def _run(given: argparse.Namespace) -> None:
    options = {key.removeprefix("setting "): text for key, text in vars(given).items() if key.startswith("setting ")}
    loaded = load(options, os.environ, getattr(given, "config", None))
    configure(loaded.config.log_level)
    if hasattr(given, "print_config"):
        sys.stdout.write(loaded.to_toml())
        return
    serve(loaded.config)
