"""Evaluation keys of a handle on secret keys: made and written, or spooled on disk."""

from __future__ import annotations

import hashlib
import os
import tempfile
import warnings
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import BinaryIO, cast

from cryptable_protocol.errors import InternalError, InvalidInputError
from cryptable_protocol.evaluation_keys import EvaluationKeysHeader
from cryptable_protocol.files.whole import whole_file

from cryptable_client.keys.secret_keys import SecretKeys
from cryptable_client.keys.spooled import (
    SpooledEvaluationKeys,
    check_size,
    delete_kept,
    digest_of,
    keep_digest,
    kept_digest,
    open_regular,
)
from cryptable_client.schemes.scheme import Progress, check_keyset, scheme_called

MAX_THREADS = 8
_ATTEMPTS = 3
"""How often damaged evaluation keys are made again: the disk may damage what it is given."""


def write_evaluation_keys(
    secret_keys: SecretKeys, file: BinaryIO, *, threads: int | None = None, progress: Progress | None = None
) -> EvaluationKeysHeader:
    """Make new evaluation keys and write their bytes, chunk by chunk.

    Args:
        secret_keys: the keys that they are made from.
        file: open for writing bytes.
        threads: to work with; by default one a core, at most 8.
        progress: called with the bytes written so far and in all.

    Returns:
        Keyset, length and SHA-256 of what was written.

    Raises:
        InvalidInputError: the keyset needs no evaluation keys.
        WeakParametersError: the keyset is not secure.
        KeysRetiredError: the keys are retired: evaluation keys are encryptions too.
    """
    keyset = secret_keys.keyset
    check_keyset(keyset)
    if secret_keys.retired:
        secret_keys.check_may_encrypt()
    total = keyset.evaluation_keys_bytes
    if not total:
        raise InvalidInputError("this model has no lookups, so there are no evaluation keys to make")
    scheme, material = scheme_called(keyset.scheme), secret_keys._key_material()
    digest, written = hashlib.sha256(), 0
    for chunk in scheme.evaluation_keys(keyset, material, threads=_threads(threads)):
        digest.update(chunk)
        _write_all(file, memoryview(chunk))
        written += len(chunk)
        if progress is not None:
            progress(written, total)
    if written != total:
        raise InternalError(f"evaluation keys of {written} bytes, expected {total}")
    return EvaluationKeysHeader(keyset.name, total, digest.digest())


def spool(
    secret_keys: SecretKeys,
    *,
    path: str | os.PathLike[str] | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> SpooledEvaluationKeys:
    """Evaluation keys of `secret_keys`, from the file `path` if it has them, else made and written there.

    Without a path they are written to a temporary file, which the system removes with the process at the latest. With
    one, their SHA-256 is kept beside them, in a file with the ending .sha256: a server would evaluate damaged ones, and
    answer nonsense. Damaged ones are deleted and made again, under new seeds, with a warning.

    Args:
        secret_keys: the keys that they are made from.
        path: a file that keeps them between runs.
        threads: to make them with; by default one a core.
        progress: called with the bytes written so far and in all.

    Raises:
        InvalidInputError: the file exists and is not these keys' own, or the keyset needs no evaluation keys.
        OSError: the file cannot be read or written.
    """
    if path is None:
        # Nameless on POSIX, deleted on close on Windows: even a killed process leaves nothing behind.
        file = cast(BinaryIO, tempfile.TemporaryFile(prefix="cryptable-evaluation-keys-"))  # noqa: SIM115 (the caller's)
        try:
            return SpooledEvaluationKeys(
                file, write_evaluation_keys(secret_keys, file, threads=threads, progress=progress)
            )
        except BaseException:
            file.close()
            raise
    target = Path(path)
    for _ in range(_ATTEMPTS):
        if not target.exists():
            _make(secret_keys, target, threads, progress)
        spooled = _open(secret_keys, target, threads)
        if spooled is not None:
            return spooled
        # Whatever a server has of the old ones is never continued: new ones have new seeds, and so another digest.
        delete_kept(target)
        warnings.warn(f"{target} was damaged: deleted, evaluation keys are made again", stacklevel=2)
    raise InvalidInputError(
        f"{target} is damaged as soon as it is written: look after the disk, or choose another path"
    )


def usable_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _threads(threads: int | None) -> int:
    if threads is None:
        return min(usable_cores(), MAX_THREADS)
    if threads < 1:
        raise InvalidInputError(f"threads must be at least 1, got {threads}")
    return threads


def _make(secret_keys: SecretKeys, path: Path, threads: int | None, progress: Progress | None) -> None:
    try:
        with whole_file(path, overwrite=False) as file:
            header = write_evaluation_keys(secret_keys, file, threads=threads, progress=progress)
    except FileExistsError:
        return  # another process was faster: whoever made them, they are made once
    keep_digest(path, header.sha256)


def _open(secret_keys: SecretKeys, path: Path, threads: int | None) -> SpooledEvaluationKeys | None:
    """None where the file is damaged."""
    keyset, material = secret_keys.keyset, secret_keys._key_material()
    scheme, file = scheme_called(keyset.scheme), open_regular(path)
    with ExitStack() as closing:
        closing.callback(file.close)
        sha256, size = digest_of(file)
        known = kept_digest(path)
        if known not in (None, sha256):
            return None
        check_size(size, path, keyset)
        file.seek(0)
        if not scheme.owns(keyset, material, file):
            raise InvalidInputError(
                f"{path} holds evaluation keys of other secret keys; delete it to have new ones made"
            )
        if known is None:
            # Made by an earlier version, which kept no digest, or the one that was kept is damaged itself.
            file.seek(0)
            if not scheme.intact(keyset, material, file, threads=_threads(threads)):
                return None
            with suppress(OSError):  # where nothing can be written, the next run looks again
                keep_digest(path, sha256)
        closing.pop_all()
    return SpooledEvaluationKeys(file, EvaluationKeysHeader(keyset.name, size, sha256))


def _write_all(file: BinaryIO, chunk: memoryview) -> None:
    # An unbuffered file may take less than it is given.
    while len(chunk):
        taken = file.write(chunk)
        chunk = chunk[len(chunk) if taken is None else taken :]
