"""`models` and `spec`: what a server offers."""

from __future__ import annotations

import argparse
import json

from cryptable_protocol.files.whole import whole_file

from cryptable_client.commands.options import (
    Parsers,
    access_of,
    access_options,
    add_command,
    print_columns,
    say,
    server_of,
    trust_options,
)


def configure(commands: Parsers[argparse.ArgumentParser]) -> None:
    """Add the parsers."""
    models = add_command(commands, "models", "list the models that a server offers", access_options())
    models.add_argument("--json", action="store_true", help="for scripts")
    models.set_defaults(run=_models)
    purpose = "save a model's specification, to encrypt for it without a connection"
    spec = add_command(commands, "spec", purpose, access_options(), trust_options())
    spec.add_argument("--model", required=True, metavar="NAME", help="the model")
    spec.add_argument("--output", required=True, metavar="FILE", help="file to write")
    spec.set_defaults(run=_spec)


def _models(options: argparse.Namespace) -> None:
    from cryptable_client.server.connection import Server
    from cryptable_client.server.trust import Trust

    models = Server._of(access_of(options), Trust()).models()
    if options.json:
        print(json.dumps([vars(model) for model in models], indent=1))
        return
    print_columns(
        [("MODEL", "VERSION", "KEYSET"), *((model.name, model.version, model.keyset_name[:16]) for model in models)]
    )


def _spec(options: argparse.Namespace) -> None:
    spec = server_of(options).spec(options.model)
    with whole_file(options.output) as file:
        file.write(spec.to_bytes())
    say(f"wrote {options.output}: {len(spec.features)} features, keyset {spec.parameters.keyset.name.hex()[:16]}")
