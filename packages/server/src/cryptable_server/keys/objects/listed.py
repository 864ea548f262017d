"""Names of keys in an object store, and what a list of them says: which keys there are, and when they were used last.

OWNER/SHA256/KEYSET.WHEN      one upload of one set of keys: the digests in hexadecimal, and a name of its own
OWNER/SHA256/used             put when they are used, for when that was
OWNER/principal               whose they are
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from cryptable_server.keys.ledger import Name
from cryptable_server.objects.bucket import StoredObject

USED = "used"
PRINCIPAL = "principal"
_KEYS = re.compile(
    r"(?P<owner>[0-9a-f]{64})/(?P<sha256>[0-9a-f]{64})/(?P<keyset>(?:[0-9a-f]{2})+)\.(?P<when>[0-9a-f]+)"
)
_MARK = re.compile(r"(?P<owner>[0-9a-f]{64})/(?P<sha256>[0-9a-f]{64})/used")


@dataclass(frozen=True)
class Upload:
    """One object that holds keys."""

    object: StoredObject
    keyset_name: bytes
    when: str

    @property
    def order(self) -> tuple[float, str]:
        """Of uploads of the same keys, the greatest counts, for every server that looks."""
        return self.object.modified, self.when


@dataclass(frozen=True)
class Listed:
    """All objects of one set of keys."""

    uploads: tuple[Upload, ...]
    """The one that counts is the last."""
    mark: StoredObject | None

    @property
    def used_at(self) -> float:
        """When the keys were put, or were said to be used, last."""
        return max(each.modified for each in self.objects)

    @property
    def objects(self) -> list[StoredObject]:
        """All."""
        return [*(upload.object for upload in self.uploads), *([] if self.mark is None else [self.mark])]


def folder_of(owner: str, sha256: bytes) -> str:
    """Where all objects of one set of keys are."""
    return f"{owner}/{sha256.hex()}"


def new_name(owner: str, sha256: bytes, keyset_name: bytes) -> str:
    """Of an upload: no other has it, so that no server removes one that it does not know of.

    Which of two was later is told by the store; by this machine's clock only where the store's says the same second.
    """
    return f"{folder_of(owner, sha256)}/{keyset_name.hex()}.{time.time_ns():016x}{secrets.token_hex(8)}"


def owners_in(objects: Iterable[StoredObject]) -> set[str]:
    """Those whose names are kept."""
    return {each.name.partition("/")[0] for each in objects if each.name.endswith(f"/{PRINCIPAL}")}


def read(objects: Iterable[StoredObject]) -> dict[Name, Listed]:
    """Sets of keys by owner and digest; a mark without keys has no uploads. Other objects are left out."""
    found: list[tuple[Name, StoredObject, Upload | None]] = []
    for each in objects:
        match = _KEYS.fullmatch(each.name)
        upload = None
        if match is not None:
            upload = Upload(each, bytes.fromhex(match["keyset"]), match["when"])
        else:
            match = _MARK.fullmatch(each.name)
        if match is not None:
            found.append(((match["owner"], bytes.fromhex(match["sha256"])), each, upload))
    found.sort(key=lambda entry: entry[0])
    sets: dict[Name, Listed] = {}
    for name, group in groupby(found, key=lambda entry: entry[0]):
        entries = list(group)
        uploads = sorted((upload for _, _, upload in entries if upload is not None), key=lambda upload: upload.order)
        sets[name] = Listed(tuple(uploads), next((each for _, each, upload in entries if upload is None), None))
    return sets
