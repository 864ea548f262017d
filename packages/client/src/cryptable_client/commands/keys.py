"""`keygen` and `keys list|new|rotate|delete|export`: keys in files of their own, or in a folder of keys."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from cryptable_client.commands.options import (
    EVALUATION_KEYS_SUFFIX,
    KEYS_EPILOG,
    Parsers,
    access_of,
    access_options,
    add_command,
    directory_options,
    expiry_of,
    first_line,
    key_directory,
    passphrase_options,
    print_columns,
    protection,
    say,
    spec_of,
    trust_options,
)
from cryptable_client.errors import KeyFileError
from cryptable_client.keys.directory import KeyDirectory, KeyEntry, Upload

if TYPE_CHECKING:
    from cryptable_client.keys.secret_keys import SecretKeys


def configure(commands: Parsers[argparse.ArgumentParser]) -> None:
    """Add the parsers."""
    anywhere, trust, protected = access_options(required=False), trust_options(), passphrase_options()
    keygen = add_command(
        commands, "keygen", "make keys for a model and save them", anywhere, trust, protected, epilog=KEYS_EPILOG
    )
    _for_a_model(keygen)
    keygen.add_argument("--output", required=True, metavar="FILE", help="the key file to write")
    keygen.add_argument("--overwrite", action="store_true", help="replace a key file that exists; its keys are lost")
    keygen.add_argument(
        "--evaluation-keys", action="store_true", help="write the evaluation keys too, to be carried to a server"
    )
    keygen.set_defaults(run=_keygen)

    keys = add_command(commands, "keys", "keep keys in a folder: list, new, rotate, delete, export", epilog=KEYS_EPILOG)
    actions = keys.add_subparsers(title="actions", required=True, metavar="list | new | rotate | delete | export")
    listing = add_command(actions, "list", "list the keys")
    listing.add_argument("--json", action="store_true", help="for scripts")
    new = add_command(actions, "new", "make keys for a model, and all others of its keyset", anywhere, trust, protected)
    _for_a_model(new)
    new.add_argument("--name", help="of the keys (default: from the keyset)")
    rotate = add_command(
        actions, "rotate", "make new keys in place of old ones, which servers forget", anywhere, protected
    )
    rotate.add_argument("--expires-days", type=float, metavar="N", help="the new keys are used for so long")
    delete = add_command(actions, "delete", "delete keys, here and on servers", anywhere)
    export = add_command(actions, "export", "copy keys to a key file", protected)
    export.add_argument("--output", required=True, metavar="FILE", help="the key file to write")
    export.add_argument(
        "--new-passphrase-file", metavar="FILE", help="file whose first line encrypts the copy (default: as before)"
    )
    export.add_argument("--evaluation-keys", metavar="FILE", help="write the evaluation keys too, to be carried")
    for action, run in ((listing, _list), (new, _new), (rotate, _rotate), (delete, _delete), (export, _export)):
        directory_options(action)
        action.set_defaults(run=run)
    for action in (rotate, delete, export):
        action.add_argument("name", metavar="NAME", help="as `keys list` shows it")


def _for_a_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", metavar="NAME", help="the model, or one with the same keyset")
    parser.add_argument("--spec", metavar="FILE", help="its specification, where there is no connection")
    parser.add_argument("--expires-days", type=float, metavar="N", help="the keys are used for so long (default: ever)")


def _keygen(options: argparse.Namespace) -> None:
    from cryptable_protocol.errors import InvalidInputError

    from cryptable_client.keys.secret_keys import SecretKeys
    from cryptable_client.keys.spooled import delete_kept

    if Path(options.output).exists() and not options.overwrite:
        raise InvalidInputError(f"{options.output} exists: choose another --output, or --overwrite its keys")
    spec = spec_of(options)
    with SecretKeys.generate(spec, expires=expiry_of(options)) as secret_keys:
        # Evaluation keys of the keys that are overwritten are of no more use.
        delete_kept(Path(options.output + EVALUATION_KEYS_SUFFIX))
        secret_keys.save(options.output, **protection(options, confirm=True), overwrite=options.overwrite)
        if options.evaluation_keys:
            _spool(secret_keys, options.output + EVALUATION_KEYS_SUFFIX)
    say(f"wrote {options.output}: keys of keyset {spec.parameters.keyset.name.hex()[:16]}")


def _list(options: argparse.Namespace) -> None:
    """Damaged files do not hide the others, but the command fails for them."""
    damaged: list[KeyFileError] = []
    entries = key_directory(options).entries(damaged=lambda _, error: damaged.append(error))
    _print_entries(entries, as_json=options.json)
    for error in damaged[1:]:
        say(f"cryptable-client: {error}")
    if damaged:
        raise damaged[0]


def _print_entries(entries: list[KeyEntry], *, as_json: bool) -> None:
    if as_json:
        facts = [
            {
                "name": entry.name,
                "keyset": entry.keyset.name.hex(),
                "created": entry.lifetime.created.isoformat(),
                "expires": None if entry.lifetime.expires is None else entry.lifetime.expires.isoformat(),
                "expired": entry.lifetime.expired,
                "retired": entry.retired,
                "servers": sorted({upload.address for upload in entry.uploads}),
            }
            for entry in entries
        ]
        print(json.dumps(facts, indent=1))
        return
    lines: list[tuple[str, ...]] = [("NAME", "KEYSET", "CREATED", "EXPIRES", "ON SERVERS")]
    for entry in entries:
        expires = "never" if entry.lifetime.expires is None else f"{entry.lifetime.expires:%Y-%m-%d %H:%M}"
        lines.append(
            (
                entry.name,
                entry.keyset.name.hex()[:16],
                f"{entry.lifetime.created:%Y-%m-%d %H:%M}",
                expires + ", EXPIRED" * entry.lifetime.expired + ", RETIRED" * entry.retired,
                " ".join(sorted({upload.address for upload in entry.uploads})) or "-",
            )
        )
    print_columns(lines)


def _new(options: argparse.Namespace) -> None:
    spec, directory = spec_of(options), key_directory(options)
    name = options.name or spec.parameters.keyset.name.hex()[:16]
    directory.create(spec, name=name, expires=expiry_of(options), **protection(options, confirm=True)).close()
    whose = " of the first server that they are used with" if spec.parameters.keyset.is_universal else ""
    say(f"made keys {name}, for all models of keyset {spec.parameters.keyset.name.hex()[:16]}{whose}")


def _rotate(options: argparse.Namespace) -> None:
    directory = key_directory(options)
    directory.load(options.name, **protection(options), allow_expired=True).close()  # whoever rotates has the old ones
    directory.rotate(options.name, expires=expiry_of(options), **protection(options))
    say(f"keys {options.name} are new; the next connection makes and uploads their evaluation keys")
    _delete_from_servers(options, directory)


def _delete(options: argparse.Namespace) -> None:
    directory = key_directory(options)
    directory.delete(options.name)
    say(f"deleted keys {options.name}")
    _delete_from_servers(options, directory)


def _export(options: argparse.Namespace) -> None:
    from cryptable_protocol.errors import InvalidInputError

    directory, opened = key_directory(options), protection(options)
    if options.evaluation_keys is not None and Path(options.evaluation_keys).exists():
        raise InvalidInputError(f"{options.evaluation_keys} exists: choose another file")
    with directory.load(options.name, **opened, allow_expired=True) as secret_keys:
        closed = opened
        if options.new_passphrase_file is not None:
            closed = {"passphrase": first_line(options.new_passphrase_file)}
        secret_keys.save(options.output, **closed)
        say(f"wrote {options.output}")
        if options.evaluation_keys is not None:
            _spool(secret_keys, str(directory.evaluation_keys(options.name)), options.evaluation_keys)


def _spool(secret_keys: SecretKeys, path: str, copy: str | None = None) -> None:
    from cryptable_client.console.progress import byte_bar, wanted
    from cryptable_client.keys.evaluation_keys import spool

    with (
        byte_bar("making evaluation keys", shown=wanted(None)) as update,
        spool(secret_keys, path=path, progress=update) as spooled,
    ):
        if copy is not None:
            spooled.keep(copy)
    say(f"wrote {copy or path}")


def _delete_from_servers(options: argparse.Namespace, directory: KeyDirectory) -> None:
    from cryptable_protocol.errors import InvalidInputError

    from cryptable_client.errors import ServerError

    failures: list[ServerError | InvalidInputError] = []

    def tell(upload: Upload) -> bool:
        from cryptable_client.errors import NotFoundError
        from cryptable_client.server.transport import open_channel
        from cryptable_client.server.upload import delete_evaluation_keys

        as_recorded = {
            "address": upload.address,
            "insecure": upload.insecure,
            "root_certificates": options.root_certificates or upload.root_certificates,
        }
        try:
            access = access_of(argparse.Namespace(**{**vars(options), **as_recorded}))
            with open_channel(access) as channel:
                delete_evaluation_keys(channel, bytes.fromhex(upload.sha256), timeout=access.timeout)
        except NotFoundError:
            pass  # forgotten already
        except ServerError as error:
            failures.append(error)
            return False
        except InvalidInputError as error:  # a certificate that is no longer where it was
            failures.append(InvalidInputError(f"{upload.address}: {error}; --root-certificates says where it is now"))
            return False
        say(f"{upload.address} has forgotten evaluation keys {upload.sha256[:16]}")
        return True

    left = directory.delete_from_servers(tell)
    if failures:
        addresses = ", ".join(sorted({upload.address for upload in left}))
        say(f"not told yet: {addresses}; the next `keys rotate` or `keys delete` tries again")
        raise failures[0]
