"""`predict`: rows of a table in, predictions out."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import zip_longest
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

    from cryptable_client.files.tables import Table
    from cryptable_client.server.connection import Server
    from cryptable_client.server.remote_model import RemoteModel
    from cryptable_client.server.spot_checks import SpotChecks


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
    predict.add_argument(
        "--rows-at-once",
        type=int,
        default=1 << 14,
        metavar="ROWS",
        help="rows in memory, and evaluated before their answers are kept (default 16384)",
    )
    predict.set_defaults(run=_predict)


def _predict(options: argparse.Namespace) -> None:
    import numpy as np
    from cryptable_protocol.errors import InvalidInputError

    from cryptable_client.files.tables import table_writer
    from cryptable_client.server.connection import Server

    if options.rows_at_once < 1:
        raise InvalidInputError(f"--rows-at-once: {options.rows_at_once}, expected at least 1")
    access = access_of(options)
    trust = trust_of(options, access)
    spec = Server._of(access, trust).spec(options.model)
    rows = _Rows(options.input, spec, options.rows_at_once)
    # Once accepted is enough: what comes next must be what was looked at.
    server = Server._of(access, replace(trust, accept_changes=False))
    _check(options, spec)
    header, _ = answers(options, spec, np.empty((0, spec.parameters.outputs), np.int64))
    # A verdict of spot checks, given at the connection's end, comes before the output has its name.
    with table_writer(options.output, header) as write:
        _connected(options, spec, server, lambda remote: _answer(options, spec, rows, remote, write))
    if options.resume is not None:
        Path(options.resume).unlink()


class _Rows:
    """A table's rows, encoded, some at a time: read once to refuse bad ones before anything is generated or sent."""

    def __init__(self, path: str, spec: ClientSpec, rows_at_once: int) -> None:
        from cryptable_client.files.answers import rows_digest

        self._path, self._spec, self._rows_at_once = path, spec, rows_at_once
        self._table = _table(path, spec)
        self._digests: list[bytes] = []
        self.count = 0
        for chunk in self._encoded():
            self._digests.append(rows_digest(chunk))
            self.count += len(chunk)

    def __iter__(self) -> Iterator[npt.NDArray[np.int64]]:
        from cryptable_protocol.errors import InvalidInputError

        from cryptable_client.files.answers import rows_digest

        for chunk, digest in zip_longest(self._encoded(), self._digests):
            if chunk is None or rows_digest(chunk) != digest:
                raise InvalidInputError(f"{self._path}: it was changed while it was read; run again")
            yield chunk

    def _encoded(self) -> Iterator[npt.NDArray[np.int64]]:
        from cryptable_client.files.chunks import encoded_chunks

        return encoded_chunks(self._spec.features, self._table.chunks(self._rows_at_once))


def read_rows(path: str, spec: ClientSpec) -> npt.NDArray[np.int64]:
    """A table's rows, encoded."""
    from cryptable_protocol.encoding.encoders import encode_rows

    return encode_rows(spec.features, _table(path, spec).whole())


def _table(path: str, spec: ClientSpec) -> Table:
    from cryptable_client.files.tables import Table

    table = Table(path, spec.features)
    if table.left_out:
        say(f"left out, since the model does not read them: {', '.join(map(clean, table.left_out))}")
    return table


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


def _check(options: argparse.Namespace, spec: ClientSpec) -> None:
    """Refuse what the model cannot tell, and options that do not go together, before anything is sent."""
    from cryptable_protocol.errors import InvalidInputError

    if options.probabilities:
        spec.decoder.require_probabilities()
    if options.contributions:
        spec.decoder.require_contributions()
    if options.resume is not None and options.spot_checks is not None:
        raise InvalidInputError("--resume: spot checks judge the answers of one connection; leave one of both out")
    if options.share_keys and options.key_directory is None:
        raise InvalidInputError("--share-keys is for the keys of a folder: give --key-directory too")


def _connected(
    options: argparse.Namespace, spec: ClientSpec, server: Server, answer: Callable[[RemoteModel], None]
) -> None:
    """Call `answer` with a connection under the keys that were asked for."""
    from cryptable_client.keys.evaluation_keys import spool
    from cryptable_client.keys.secret_keys import SecretKeys

    model, spot_checks = options.model, _spot_checks(options)
    if options.keys is not None:
        with SecretKeys.load(options.keys, **protection(options)) as secret_keys:
            kept = options.keys + EVALUATION_KEYS_SUFFIX
            with server.model(model, secret_keys=secret_keys, evaluation_keys=kept, spot_checks=spot_checks) as remote:
                answer(remote)
                return
    if options.key_directory is None:
        with server.model(model, spot_checks=spot_checks) as remote:
            answer(remote)
            return
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
            answer(remote)


def _answer(
    options: argparse.Namespace,
    spec: ClientSpec,
    rows: _Rows,
    remote: RemoteModel,
    write: Callable[[Iterable[Sequence[Any]]], None],
) -> None:
    from cryptable_client.console.progress import row_bar, wanted
    from cryptable_client.files.answers import resumed

    done = 0
    with row_bar(shown=wanted(None)) as update:
        for values in resumed(rows, lambda encoded: remote.evaluate(encoded, spec), spec, options.resume):
            write(answers(options, spec, values)[1])
            done += len(values)
            update(done, rows.count)


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
