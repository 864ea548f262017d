"""`predict`: rows of a table in, predictions out."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptable_client.commands.options import (
    EVALUATION_KEYS_SUFFIX,
    KEYS_EPILOG,
    Parsers,
    access_of,
    access_options,
    add_command,
    clean,
    key_directory,
    output_options,
    passphrase_options,
    protection,
    say,
    trust_of,
    trust_options,
)
from cryptable_client.keys.directory import Upload

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from cryptable_protocol.encoding.decoder import Decoder
    from cryptable_protocol.model.client_spec import ClientSpec

    from cryptable_client.server.connection import Server
    from cryptable_client.server.remote_model import RemoteModel
    from cryptable_client.server.spot_checks import SpotChecks

_ROWS_AT_ONCE = 1 << 14
"""Evaluated before their answers are kept: one or two tensors of rows in bulk."""


def configure(commands: Parsers[argparse.ArgumentParser]) -> None:
    """Add the parser."""
    predict = add_command(
        commands,
        "predict",
        "predict the rows of a CSV or Parquet file",
        access_options(),
        trust_options(),
        passphrase_options(),
        epilog=KEYS_EPILOG,
    )
    predict.add_argument("--model", required=True, metavar="NAME", help="the model")
    predict.add_argument(
        "--input", required=True, metavar="FILE", help="CSV with a header of names, or .parquet; - for CSV on stdin"
    )
    output_options(predict)
    kept = predict.add_mutually_exclusive_group()
    kept.add_argument("--keys", metavar="FILE", help="key file from keygen; without, keys are made for this run")
    kept.add_argument(
        "--key-directory",
        metavar="DIR",
        nargs="?",
        const="",
        help="use the keys of the model's keyset in this folder (default: the one of `keys`); where one keyset serves "
        "all models, those of this server, which are made if there are none",
    )
    predict.add_argument(
        "--share-keys",
        action="store_true",
        help="with --key-directory: use keys that other servers know too: they can then tell that you are one user",
    )
    predict.add_argument(
        "--spot-checks",
        metavar="FILE",
        help="rows with known answers, from the model's developer, to send among the others: answers are written only "
        "if those to all of them are right. Use new keys for it: they give one verdict in their life",
    )
    predict.add_argument(
        "--check-share",
        type=float,
        metavar="SHARE",
        help="with --spot-checks: how many of all rows are checks, at least (default 0.1)",
    )
    predict.add_argument(
        "--resume",
        metavar="FILE",
        help="keep answers in FILE (as secret as the output) as they come, and go on from those there: a run that "
        "was killed is begun again with the same arguments. Removed when the output is written",
    )
    predict.set_defaults(run=_predict)


def _predict(options: argparse.Namespace) -> None:
    from cryptable_client.files.tables import write_table
    from cryptable_client.server.connection import Server

    access = access_of(options)
    trust = trust_of(options, access)
    spec = Server._of(access, trust).spec(options.model)
    table = read_rows(options.input, spec)
    # Once accepted is enough: what comes next must be what was looked at.
    values = _evaluate(options, spec, Server._of(access, replace(trust, accept_changes=False)), table)
    header, rows = answers(options, spec, values)
    write_table(options.output, header, rows)
    if options.resume is not None:
        Path(options.resume).unlink()


def read_rows(path: str, spec: ClientSpec) -> npt.NDArray[np.int64]:
    """A table's rows, encoded: bad ones are refused before anything is generated or sent."""
    from cryptable_protocol.encoding.encoders import encode_rows

    from cryptable_client.files.tables import read_table

    table, left_out = read_table(path, spec.features)
    if left_out:
        say(f"left out, since the model does not read them: {', '.join(map(clean, left_out))}")
    return encode_rows(spec.features, table)


def answers(
    options: argparse.Namespace, spec: ClientSpec, values: npt.NDArray[np.int64]
) -> tuple[list[str], Iterable[Sequence[Any]]]:
    """Header and rows of the table to write, from decrypted integers."""
    decoder = spec.decoder
    if options.probabilities:
        return [f"probability_{label}" for label in decoder.labels or ()], decoder.predict_proba(values).tolist()
    if options.contributions:
        return _with_contributions(decoder, values)
    what, made = (
        ("score", decoder.decision_function(values)) if options.scores else ("prediction", decoder.predict(values))
    )
    if made.shape[1:] in ((), (1,)):
        return [what], ([answer] for answer in made.ravel().tolist())
    return [f"{what}_{index}" for index in range(made.shape[1])], made.tolist()


def _with_contributions(decoder: Decoder, values: npt.NDArray[np.int64]) -> tuple[list[str], Iterable[Sequence[Any]]]:
    """For each score: itself, its base, and its contributions."""
    made = decoder.contributions_of(values).reshape(len(values), decoder.scores, len(decoder.contributions))
    scores = decoder.decision_function(values).reshape(len(values), decoder.scores)
    header: list[str] = []
    for index in range(decoder.scores):
        which = f"_{index}" if decoder.scores > 1 else ""
        header += [f"score{which}", f"base{which}", *(f"contribution{which}_{name}" for name in decoder.contributions)]
    rows = (
        [
            number
            for index, base in enumerate(decoder.base_values)
            for number in (scores[row, index].item(), base, *made[row, index].tolist())
        ]
        for row in range(len(values))
    )
    return header, rows


def _evaluate(
    options: argparse.Namespace, spec: ClientSpec, server: Server, encoded: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    from cryptable_protocol.errors import InvalidInputError

    from cryptable_client.keys.evaluation_keys import spool
    from cryptable_client.keys.secret_keys import SecretKeys

    if options.probabilities:  # a model without probabilities refuses before anything is sent
        spec.decoder.require_probabilities()
    if options.contributions:
        spec.decoder.require_contributions()
    model = options.model
    spot_checks = _spot_checks(options)
    if options.resume is not None and spot_checks is not None:
        raise InvalidInputError("--resume: spot checks judge the answers of one connection; leave one of both out")
    if options.share_keys and options.key_directory is None:
        raise InvalidInputError("--share-keys is for the keys of a folder: give --key-directory too")
    if options.keys is not None:
        with SecretKeys.load(options.keys, **protection(options)) as secret_keys:
            kept = options.keys + EVALUATION_KEYS_SUFFIX
            with server.model(model, secret_keys=secret_keys, evaluation_keys=kept, spot_checks=spot_checks) as remote:
                return _answered(options, spec, encoded, remote)
    if options.key_directory is None:
        with server.model(model, spot_checks=spot_checks) as remote:
            return _answered(options, spec, encoded, remote)
    directory, keyset = key_directory(options), spec.parameters.keyset
    must_make = directory.needs_keys(keyset, options.address, share=options.share_keys)
    name = (
        directory.free_name(keyset)
        if must_make
        else directory.find(keyset, options.address, share=options.share_keys).name
    )
    opened = protection(options, confirm=must_make)
    if must_make:
        directory.create(keyset, name=name, **opened).close()
        say(f"made keys {name}, for {options.address} alone")
    with directory.load(name, **opened) as secret_keys:
        path = directory.evaluation_keys(name)
        if keyset.is_universal:
            # Before the server has seen a byte: an upload that breaks must not leave keys that another server gets.
            with spool(secret_keys, path=path) as spooled:
                directory.record(name, _upload(options, spooled.header.sha256))
        with server.model(model, secret_keys=secret_keys, evaluation_keys=path, spot_checks=spot_checks) as remote:
            digest = remote.evaluation_keys_digest
            if digest is not None:
                directory.record(name, _upload(options, digest))
            return _answered(options, spec, encoded, remote)


def _answered(
    options: argparse.Namespace, spec: ClientSpec, encoded: npt.NDArray[np.int64], remote: RemoteModel
) -> npt.NDArray[np.int64]:
    if options.resume is None:
        return remote.evaluate(encoded, spec)
    from cryptable_client.console.progress import row_bar, wanted
    from cryptable_client.files.answers import AnswersFile

    with AnswersFile(options.resume, spec, encoded) as kept, row_bar(shown=wanted(None), start=kept.rows) as update:
        while (done := kept.rows) < len(encoded):
            kept.append(remote.evaluate(encoded[done : done + _ROWS_AT_ONCE], spec))
            update(kept.rows, len(encoded))
        return kept.read()


def _spot_checks(options: argparse.Namespace) -> SpotChecks | None:
    from cryptable_protocol.errors import InvalidInputError

    from cryptable_client.server.spot_checks import DEFAULT_SHARE, SpotChecks

    if options.spot_checks is None:
        if options.check_share is not None:
            raise InvalidInputError("--check-share is for spot checks: give --spot-checks FILE too")
        return None
    share = DEFAULT_SHARE if options.check_share is None else options.check_share
    return SpotChecks.load(options.spot_checks, share=share)


def _upload(options: argparse.Namespace, digest: bytes) -> Upload:
    roots = options.root_certificates
    # Whoever deletes the keys some day may do so from another folder.
    return Upload(
        options.address, digest.hex(), options.insecure, None if roots is None else str(Path(roots).absolute())
    )
