"""cryptable-server status, health, keys, models: what an operator sees of a running server, and does to it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from typing import TypeAlias

from cryptable_protocol.messages import admin as pb
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2

from cryptable_server.commands.remote_server import EXIT_STATUSES, RemoteServer, add_connection, reached
from cryptable_server.commands.text_tables import bytes_text, seconds_text, table
from cryptable_server.errors import ConfigurationError, NotServingError

_Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
_Method = Callable[[argparse.Namespace, RemoteServer], None]
_DIGEST = 32


def add_command(commands: _Commands) -> None:
    """Add `status`, `health`, `keys` and `models` to a parser's commands."""
    _add(commands, "status", "tell how a running server does", _status)
    health = _add(commands, "health", "tell by the exit status whether a running server serves; takes no role", _health)
    health.add_argument("--model", metavar="NAME", help="this model, rather than the server")

    keys = commands.add_parser("keys", help="list and delete evaluation keys of a running server")
    ways = keys.add_subparsers(metavar="COMMAND", required=True)
    _add(ways, "list", "tell whose keys are stored, the most recently used first", _list_keys).add_argument(
        "--principal", default="", metavar="WHO", help="only of this one, as token:NAME, mtls:NAME or anonymous"
    )
    delete = _add(ways, "delete", "remove keys from disk and memory", _delete_keys)
    delete.add_argument("principal", metavar="WHO", help="whose, as list tells it")
    which = delete.add_mutually_exclusive_group(required=True)
    which.add_argument("--sha256", metavar="HEX", help="these, by all 64 digits")
    which.add_argument("--all", action="store_true", help="all of theirs")

    models = commands.add_parser("models", help="list, load, unload and reload models of a running server")
    ways = models.add_subparsers(metavar="COMMAND", required=True)
    _add(ways, "list", "tell which versions are there, and which are served", _list_models)
    for name, about, method in (
        ("load", "serve a version again", _load_model),
        ("unload", "serve a version no more, until load or the next start; streams that use it go on", _unload_model),
    ):
        way = _add(ways, name, about, method)
        way.add_argument("name", metavar="NAME")
        way.add_argument("version", metavar="VERSION", nargs="?", default="", help="default: all versions")
    _add(ways, "reload", "read the directory of models again, and tell what is there then", _reload_models)


def _add(commands: _Commands, name: str, about: str, method: _Method) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=about,
        description=f"{about[0].upper()}{about[1:]}.",
        epilog=EXIT_STATUSES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_connection(parser)
    parser.add_argument("--json", action="store_true", help="write JSON, as in protos/cryptable/v1/admin.proto")

    def run(options: argparse.Namespace) -> None:
        with reached(options) as server:
            method(options, server)

    parser.set_defaults(run=run, log_level="WARNING", parser=parser)
    return parser


def _status(options: argparse.Namespace, server: RemoteServer) -> None:
    found = server.admin.GetStatus(pb.GetStatusRequest(), metadata=server.metadata, timeout=server.seconds)
    looked_up = found.key_cache_hits + found.key_cache_misses
    share = f"; {found.key_cache_hits / looked_up:.0%} of rows found theirs loaded" if looked_up else ""
    limit = f" of {bytes_text(found.stored_keys_limit_bytes)}" if found.stored_keys_limit_bytes else ""
    state = "draining" if found.draining else "serving"
    _tell(
        options,
        found,
        f"cryptable-server {found.server_version}, {state}, up {seconds_text(found.uptime_seconds)}\n",
        table(
            [
                ("calls", f"{found.calls_in_progress} in progress"),
                ("queue", f"{found.queue_rows} rows wait or are evaluated, {found.queue_limit} may wait"),
                ("workers", f"{found.workers_up} of {found.workers} up, {found.worker_deaths} died with a row"),
                ("rows", f"{found.rows_evaluated} evaluated"),
                ("keys", f"{found.stored_keys} sets, {bytes_text(found.stored_keys_bytes)}{limit}{share}"),
                (
                    "models",
                    f"{found.models_served} served, {found.models_unloaded} unloaded or withdrawn, "
                    f"{found.models_refused} refused",
                ),
            ]
        ),
    )


def _health(options: argparse.Namespace, server: RemoteServer) -> None:
    service = "" if options.model is None else f"cryptable.v1.Inference/{options.model}"
    answer = server.check_health(health_pb2.HealthCheckRequest(service=service), timeout=server.seconds)
    state = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
    _tell(options, answer, f"{state}\n")
    if answer.status != health_pb2.HealthCheckResponse.SERVING:
        raise NotServingError(f"{service or 'the server'}: {state}")


def _list_keys(options: argparse.Namespace, server: RemoteServer) -> None:
    request = pb.ListStoredKeysRequest(principal=options.principal)
    found = server.admin.ListStoredKeys(request, metadata=server.metadata, timeout=server.seconds)
    rows = [
        (
            keys.principal or "(unknown)",
            keys.sha256.hex(),
            bytes_text(keys.size),
            "in use" if keys.in_use else f"unused for {seconds_text(keys.unused_seconds)}",
        )
        for keys in found.keys
    ]
    _tell(options, found, table(rows))


def _delete_keys(options: argparse.Namespace, server: RemoteServer) -> None:
    request = pb.DeleteStoredKeysRequest(principal=options.principal, sha256=_digest(options.sha256))
    found = server.admin.DeleteStoredKeys(request, metadata=server.metadata, timeout=server.seconds)
    _tell(options, found, f"{found.deleted} deleted\n")


def _list_models(options: argparse.Namespace, server: RemoteServer) -> None:
    request = pb.ListModelVersionsRequest()
    found = server.admin.ListModelVersions(request, metadata=server.metadata, timeout=server.seconds)
    _tell(options, found, _models(found.models))


def _load_model(options: argparse.Namespace, server: RemoteServer) -> None:
    request = pb.LoadModelRequest(name=options.name, version=options.version)
    _tell(options, server.admin.LoadModel(request, metadata=server.metadata, timeout=server.seconds))


def _unload_model(options: argparse.Namespace, server: RemoteServer) -> None:
    request = pb.UnloadModelRequest(name=options.name, version=options.version)
    _tell(options, server.admin.UnloadModel(request, metadata=server.metadata, timeout=server.seconds))
    sys.stderr.write("until `models load`, or the server's next start; to keep it out, withdraw it in models.toml\n")


def _reload_models(options: argparse.Namespace, server: RemoteServer) -> None:
    request = pb.ReloadModelsRequest()
    found = server.admin.ReloadModels(request, metadata=server.metadata, timeout=server.seconds)
    _tell(options, found, _models(found.models))


def _models(models: Sequence[pb.ModelVersion]) -> str:
    return table(
        [
            (
                model.name or model.file,
                model.version,
                pb.ModelState.Name(model.state).removeprefix("MODEL_STATE_").lower(),
                model.artifact_digest.hex()[:16],
                ", ".join(model.aliases),
                model.reason,
            )
            for model in models
        ]
    )


def _digest(text: str | None) -> bytes:
    try:
        digest = bytes.fromhex(text or "")
    except ValueError:
        digest = b"?"
    if text is not None and len(digest) != _DIGEST:
        raise ConfigurationError(f"--sha256 {text} is not a SHA-256, 64 hexadecimal digits, as `keys list` tells them")
    return digest


def _tell(options: argparse.Namespace, message: Message, *texts: str) -> None:
    if options.json:
        content = MessageToDict(message, always_print_fields_with_no_presence=True, preserving_proto_field_name=True)
        sys.stdout.write(json.dumps(content, indent=1) + "\n")
        return
    sys.stdout.write("".join(texts))
