"""S3Bucket: a place in a bucket of an S3 store, through obstore. Needs the extra `s3`; no other module imports that.

Credentials come from where AWS's own tools look for them: variables, files of a container's or pod's role, and the
machine's metadata. They are never settings of ours, and no word of a store's refusal, which can repeat them, is told.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from cryptable_server.errors import ObjectStoreError
from cryptable_server.logs import log
from cryptable_server.objects.bucket import NoSuchObjectError, StoredObject

_LOGGER = logging.getLogger(__name__)
_PIECE_BYTES = 1 << 20
_CONNECT_SECONDS, _REQUEST_SECONDS, _RETRY_SECONDS = 5, 120, 20
_RETRIES = 3
_FILES_AT_ONCE = 2
"""A file is in memory while it is put."""
_STATUS = re.compile(r"status code: ([0-9]{3})")


class S3Bucket:
    """A Bucket of an S3 store; the store must list what was put or removed a moment ago, as all known ones do."""

    def __init__(self, bucket: str, prefix: str, endpoint: str | None = None) -> None:
        """Nothing is asked yet.

        Args:
            bucket: its name.
            prefix: before the names of all objects; may be empty.
            endpoint: URL of a store that is not Amazon's; http:// is for networks that others cannot read.
        """
        self._store = S3Store(
            bucket,
            prefix=prefix or None,
            # The store compares what has come with it, and stores nothing that differs.
            checksum_algorithm="sha256",
            client_options={
                "allow_http": endpoint is not None and endpoint.startswith("http://"),
                "connect_timeout": timedelta(seconds=_CONNECT_SECONDS),
                "timeout": timedelta(seconds=_REQUEST_SECONDS),
            },
            retry_config={"max_retries": _RETRIES, "retry_timeout": timedelta(seconds=_RETRY_SECONDS)},
            config={} if endpoint is None else {"endpoint": endpoint},
        )
        self._files = threading.Semaphore(_FILES_AT_ONCE)

    def put(self, name: str, content: bytes | Path) -> None:
        """See Bucket: one request, so that nothing is left of one that broke off."""
        with _told("put"):
            if isinstance(content, bytes):
                obstore.put(self._store, name, content, use_multipart=False)
                return
            with self._files:
                obstore.put(self._store, name, content, use_multipart=False)

    def get(self, name: str) -> Iterator[bytes]:
        """See Bucket."""
        with _told("get"):
            try:
                pieces = obstore.get(self._store, name).stream(min_chunk_size=_PIECE_BYTES)
            except FileNotFoundError:
                raise NoSuchObjectError(name) from None
            for piece in pieces:
                yield bytes(piece)

    def find(self, folder: str) -> Iterator[list[StoredObject]]:
        """See Bucket."""
        with _told("list"):
            for page in obstore.list(self._store, prefix=folder or None, chunk_size=1000):
                yield [
                    StoredObject(each["path"], each["size"], each["last_modified"].timestamp(), each["e_tag"] or "")
                    for each in page
                ]

    def remove(self, name: str) -> None:
        """See Bucket."""
        with _told("delete"):
            try:
                obstore.delete(self._store, name)
            except FileNotFoundError:
                return


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Make an ObjectStoreError of what obstore raises, by its kind and status alone."""
    try:
        yield
    except (BaseError, OSError) as error:  # of some kinds it raises Python's own
        status = _STATUS.search(str(error))
        reason = f"status {status[1]}" if status else type(error).__name__
        log(_LOGGER, logging.WARNING, "object store", request=what, reason=reason)
        raise ObjectStoreError(
            f"the server's object store does not do its part ({reason}); nothing was changed that this call was "
            "answered for, try again later"
        ) from None
