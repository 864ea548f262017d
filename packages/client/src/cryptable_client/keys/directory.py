"""KeyDirectory: a folder of key files, with their evaluation keys and where those were uploaded to.

NAME.keys              the key file (docs/key-file.md)
NAME.evaluation-keys   its evaluation keys, once they were made, and
NAME.evaluation-keys.sha256  their digest
NAME.uploads.json      servers that have them
to-delete.json         uploads of keys that are no more, which servers have not been told yet
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from cryptable_protocol.errors import InvalidInputError
from cryptable_protocol.files.places import data_folder
from cryptable_protocol.files.whole import whole_file
from cryptable_protocol.model.client_spec import ClientSpec
from cryptable_protocol.schemes.scheme import Keyset

from cryptable_client.errors import KeyFileError
from cryptable_client.keys import key_file
from cryptable_client.keys.lifetime import Lifetime
from cryptable_client.keys.secret_keys import SecretKeys
from cryptable_client.keys.spooled import delete_kept, open_regular

_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,63}")
_DEVICE = re.compile(r"con|prn|aux|nul|(?:com|lpt)[0-9]", re.IGNORECASE)
"""What Windows takes for devices whatever the ending: keys written to NUL.keys would be gone."""
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MAX_JSON_BYTES = 1 << 20
_TO_DELETE = "to-delete.json"


@dataclass(frozen=True)
class Upload:
    """Evaluation keys on a server: how it was reached, and their SHA-256 in hexadecimal."""

    address: str
    sha256: str
    insecure: bool = False
    root_certificates: str | None = None

    def __post_init__(self) -> None:
        texts = [self.address, self.sha256, self.root_certificates or ""]
        if not all(isinstance(text, str) for text in texts) or not isinstance(self.insecure, bool):
            raise TypeError(f"not an upload: {self}")
        if not _SHA256.fullmatch(self.sha256):
            raise ValueError(f"{self.sha256[:80]!r} is no SHA-256")


@dataclass(frozen=True)
class KeyEntry:
    """One key file, as it describes itself; what it says is proven when it is loaded."""

    name: str
    keyset: Keyset
    lifetime: Lifetime
    uploads: tuple[Upload, ...]
    retired: bool = False

    def serves(self, address: str | None) -> bool:
        """Whether no other server knows these keys: they were used with that address, or with none."""
        addresses = {upload.address for upload in self.uploads}
        return not addresses or address in addresses


class KeyDirectory:
    """Keys by name, one set for a keyset, so that models of one keyset share them.

    A keyset that serves every model of every server (`Keyset.is_universal`) has a set for each server: the first
    address that keys are used with is the only one that `find` gives them for, unless it is told to share them.

    Args:
        folder: by default `cryptable/keys` in your data folder. Made when it is first written to, for you alone.
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None) -> None:
        self.folder = data_folder() / "keys" if folder is None else Path(folder)

    def entries(self, *, damaged: Callable[[str, KeyFileError], None] | None = None) -> list[KeyEntry]:
        """All key files, by name.

        Args:
            damaged: is told the name of each that is damaged, and why; it is left out then.

        Raises:
            KeyFileError: one of them is damaged, and nobody is to be told.
        """
        found = []
        for name in self._names():
            try:
                found.append(self.entry(name))
            except KeyFileError as error:
                if damaged is None:
                    raise
                damaged(name, error)
        return found

    def entry(self, name: str) -> KeyEntry:
        """The key file of that name."""
        keyset, lifetime, marks = key_file.read_public_part(self._existing(name))
        return KeyEntry(name, keyset, lifetime, tuple(_read(self._uploads(name))), key_file.Mark.RETIRED in marks)

    def find(self, keyset: Keyset, address: str | None = None, *, share: bool = False) -> KeyEntry:
        """The keys of a keyset: those that expire last, where there are several; retired ones are left out.

        Of a universal keyset, those that were used with this server come before those that were used with none, unless
        they have expired; those of other servers are left out.

        Args:
            keyset: that they are of.
            address: of the server that they are for; None: of one that none were used with. It decides only where the
                keyset is universal.
            share: take those of other servers too. The servers can then tell that their user is the same.

        Raises:
            InvalidInputError: there are none.
        """
        found, damaged = self._of(keyset, address, share=share)
        if not found:
            unread = f" (damaged, so that nobody knows whose they are: {', '.join(damaged)})" if damaged else ""
            others = f" that {address or 'no server'} alone may know" if keyset.is_universal and not share else ""
            raise InvalidInputError(
                f"{self.folder} has no keys of keyset {keyset.name.hex()[:16]}{others}{unread}: make some with "
                "`cryptable-client keys new`"
            )

        def preference(entry: KeyEntry) -> tuple[bool, float]:
            is_servers_own = keyset.is_universal and bool(entry.uploads) and entry.serves(address)
            return is_servers_own and not entry.lifetime.expired, entry.lifetime.expires_seconds or float("inf")

        return max(found, key=preference)

    def needs_keys(self, keyset: Keyset, address: str, *, share: bool = False) -> bool:
        """Whether keys have to be made for a server, the keyset being universal.

        Not where `find` finds some, nor where damaged ones may be that server's: `find` says which those are.
        """
        return keyset.is_universal and not any(self._of(keyset, address, share=share))

    def free_name(self, keyset: Keyset) -> str:
        """A name for further keys: the default one, or where that is taken, followed by a number."""
        name = keyset.name.hex()[:16]
        names = (name, *(f"{name}-{number}" for number in range(2, len(self._names()) + 3)))
        return next(each for each in names if not self._path(each).exists())

    def create(
        self,
        parameters: ClientSpec | Keyset,
        *,
        name: str | None = None,
        expires: datetime | None = None,
        passphrase: str | None = None,
        insecure_plaintext: bool = False,
    ) -> SecretKeys:
        """New keys, saved.

        Args:
            parameters: a model's specification, or its keyset alone.
            name: letters, digits, - and _; by default the first 16 digits of the keyset's name.
            expires: when they stop being used.
            passphrase: see `SecretKeys.save`.
            insecure_plaintext: see `SecretKeys.save`.

        Raises:
            InvalidInputError: no such name can be, or there are keys of that name.
        """
        keyset = parameters.parameters.keyset if isinstance(parameters, ClientSpec) else parameters
        path = self._path(keyset.name.hex()[:16] if name is None else name)
        if path.exists():
            raise InvalidInputError(f"{path} exists: rotate or delete its keys, or choose another name")
        secret_keys = SecretKeys.generate(parameters, expires=expires)
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            secret_keys.save(path, passphrase=passphrase, insecure_plaintext=insecure_plaintext)
        except BaseException:
            secret_keys.close()
            raise
        return secret_keys

    def load(
        self,
        name: str,
        *,
        passphrase: str | None = None,
        insecure_plaintext: bool = False,
        allow_expired: bool = False,
    ) -> SecretKeys:
        """The keys of that name; errors as for `SecretKeys.load`."""
        return SecretKeys.load(
            self._existing(name),
            passphrase=passphrase,
            insecure_plaintext=insecure_plaintext,
            allow_expired=allow_expired,
        )

    def evaluation_keys(self, name: str) -> Path:
        """The file that keeps their evaluation keys, for `connect`."""
        return self._path(name).with_suffix(".evaluation-keys")

    def record(self, name: str, upload: Upload) -> None:
        """Remember that a server has the evaluation keys."""
        uploads = _read(self._uploads(name))
        if upload not in uploads:
            _write(self._uploads(name), [*uploads, upload])

    def rotate(
        self,
        name: str,
        *,
        expires: datetime | None = None,
        passphrase: str | None = None,
        insecure_plaintext: bool = False,
    ) -> None:
        """Put new keys in the place of old ones, which are lost with all that only they decrypt.

        What servers have of the old ones is theirs until `delete_from_servers`. Nothing of the old evaluation keys, nor
        a seed of theirs, is used again.
        """
        keyset = self.entry(name).keyset
        with SecretKeys.generate(keyset, expires=expires) as secret_keys:
            self._retire(name)
            secret_keys.save(
                self._path(name), passphrase=passphrase, insecure_plaintext=insecure_plaintext, overwrite=True
            )

    def delete(self, name: str) -> None:
        """Delete keys, which are lost with all that only they decrypt; for servers see `delete_from_servers`."""
        path = self._existing(name)
        self._retire(name)
        path.unlink()

    def delete_from_servers(self, tell: Callable[[Upload], bool]) -> list[Upload]:
        """Have servers forget evaluation keys of keys that are no more.

        Args:
            tell: tells a server; whether it has forgotten them.

        Returns:
            Those that were not told; the next call tries them again.
        """
        path = self.folder / _TO_DELETE
        left = [upload for upload in _read(path) if not tell(upload)]
        if path.exists():
            _write(path, left)
        return left

    def _of(self, keyset: Keyset, address: str | None, *, share: bool) -> tuple[list[KeyEntry], list[str]]:
        """Keys that may be used with a server, and the names of damaged ones."""
        damaged: list[str] = []
        entries = self.entries(damaged=lambda name, _: damaged.append(name))
        anybodys = share or not keyset.is_universal
        usable = (entry for entry in entries if entry.keyset.name == keyset.name and not entry.retired)
        return [entry for entry in usable if anybodys or entry.serves(address)], damaged

    def _retire(self, name: str) -> None:
        uploads = _read(self._uploads(name))
        if uploads:
            path = self.folder / _TO_DELETE
            _write(path, [*_read(path), *uploads])
        self._uploads(name).unlink(missing_ok=True)
        delete_kept(self.evaluation_keys(name))

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name) or _DEVICE.fullmatch(name):
            raise InvalidInputError(f"keys cannot be called {name[:80]!r}: up to 64 letters, digits, - and _, please")
        return self.folder / f"{name}.keys"

    def _existing(self, name: str) -> Path:
        path = self._path(name)
        if not path.is_file():
            names = ", ".join(self._names()) or "none"
            raise InvalidInputError(f"{self.folder} has no keys called {name!r}; it has: {names}")
        return path

    def _names(self) -> list[str]:
        # A file of another name is no business of this folder: somebody's copy, perhaps. Nor is what is no file: a
        # pipe would never end.
        return sorted(path.stem for path in self.folder.glob("*.keys") if _NAME.fullmatch(path.stem) and path.is_file())

    def _uploads(self, name: str) -> Path:
        return self._path(name).with_suffix(".uploads.json")


def _read(path: Path) -> list[Upload]:
    if not path.exists():
        return []
    try:
        with open_regular(path) as file:
            data = file.read(_MAX_JSON_BYTES + 1)
        if len(data) > _MAX_JSON_BYTES:
            raise ValueError("too long")
        return [Upload(**each) for each in json.loads(data)]
    except (ValueError, TypeError, RecursionError, InvalidInputError) as error:
        raise KeyFileError(
            f"{path} is no list of uploads: restore it, or delete it and those uploads by hand"
        ) from error


def _write(path: Path, uploads: list[Upload]) -> None:
    with whole_file(path) as file:
        file.write((json.dumps([asdict(upload) for upload in uploads], indent=1) + "\n").encode())
