"""Key files: secret keys encrypted under a passphrase (docs/key-file.md gives every byte).

Format version 1 is for keys of the scheme `bootstrapped`, version 2 names the scheme that its keys are of. The upper
bits of the version's byte are marks, which are set in a file that is there, without its passphrase.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import struct
import unicodedata
from enum import IntFlag
from pathlib import Path
from typing import NamedTuple

from cryptable_protocol.errors import InvalidInputError, MalformedMessageError
from cryptable_protocol.files import whole
from cryptable_protocol.files.whole import whole_file
from cryptable_protocol.schemes.scheme import BOOTSTRAPPED, Keyset
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from cryptable_client.errors import CorruptedKeyFileError, KeyFileError, UnknownSchemeError, WrongPassphraseError
from cryptable_client.keys.lifetime import Lifetime
from cryptable_client.schemes.scheme import KeyMaterial, scheme_called

MAGIC = b"cryptable secret"
FORMAT_VERSION, NAMED_SCHEME_VERSION = 1, 2
PLAINTEXT, SCRYPT_AES_GCM = 0, 1
MINIMUM_PASSPHRASE = 8
MAX_FILE_BYTES = 1 << 22
_MAX_KEYSET_BYTES = 1 << 14
_SALT_BYTES, _NONCE_BYTES, _TAG_BYTES, _DIGEST_BYTES = 16, 12, 16, 32
_HEADER = struct.Struct(f"<{len(MAGIC)}sBBQQI")
_SCHEME = re.compile(rb"[a-z][a-z0-9_]{0,31}")
# OWASP's recommendation of 32 MiB three times over: small devices must be able to open their keys.
_SCRYPT_N, _SCRYPT_R, _SCRYPT_P = 1 << 15, 8, 3


class Mark(IntFlag):
    """What was decided about keys since they were written; bits of the version's byte."""

    NONE = 0
    CHECKED = 0x40
    """Spot checks were made under them: no others are."""
    RETIRED = 0x80
    """A server answered wrongly under them: they encrypt no more."""


_MARKS = Mark.CHECKED | Mark.RETIRED
_VERSION_AT = len(MAGIC)


class KeyFile(NamedTuple):
    """What a key file holds. `identity` is a digest of all of it but the marks."""

    keyset: Keyset
    lifetime: Lifetime
    material: KeyMaterial
    marks: Mark
    identity: bytes


class _Header(NamedTuple):
    """What stands before the keys, and where that ends."""

    protection: int
    lifetime: Lifetime
    keyset: Keyset
    end: int


def write(
    path: str | os.PathLike[str],
    keyset: Keyset,
    material: KeyMaterial,
    lifetime: Lifetime,
    *,
    passphrase: str | None,
    insecure_plaintext: bool,
    overwrite: bool,
    marks: Mark = Mark.NONE,
) -> bytes:
    """Write a key file; see `SecretKeys.save`. Returns its identity."""
    if (passphrase is not None) == insecure_plaintext:
        raise InvalidInputError(
            "a key file needs a passphrase=..., or insecure_plaintext=True to write it unencrypted: exactly one"
        )
    if passphrase is not None and len(passphrase) < MINIMUM_PASSPHRASE:
        raise InvalidInputError(
            f"a passphrase of {len(passphrase)} characters is too short, at least {MINIMUM_PASSPHRASE} are needed"
        )
    target = Path(path)
    if target.exists() and not overwrite:
        raise InvalidInputError(
            f"{target} exists, and its keys would be lost: choose another path, or pass overwrite=True"
        )
    body = _serialize(keyset, material, lifetime, passphrase)[:-_DIGEST_BYTES]
    try:
        with whole_file(target, overwrite=overwrite) as file:
            file.write(_with_digest(body, marks))
    except FileExistsError as error:
        raise InvalidInputError(
            f"{target} was written by another process meanwhile, and its keys would be lost: choose another path"
        ) from error
    return hashlib.sha256(body).digest()


def read(path: str | os.PathLike[str], *, passphrase: str | None, insecure_plaintext: bool) -> KeyFile:
    """Read a key file; see `SecretKeys.load`."""
    source = Path(path)
    body, marks, mode = _read_body(source)
    header = _read_header(source, body)
    if header.protection == SCRYPT_AES_GCM:
        if passphrase is None:
            raise KeyFileError(f"{source} is encrypted: pass its passphrase=...")
        packed = _decrypt(source, body, header.end, passphrase)
    else:
        if not insecure_plaintext:
            raise KeyFileError(f"{source} is not encrypted: pass insecure_plaintext=True to use it all the same")
        if whole.POSIX and mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise KeyFileError(f"{source} is not encrypted and other users may read it: chmod 600 it")
        packed = body[header.end :]
    try:
        material = scheme_called(header.keyset.scheme).unpack(header.keyset, packed)
    except MalformedMessageError as error:
        raise CorruptedKeyFileError(f"{source}: {error}") from error
    return KeyFile(header.keyset, header.lifetime, material, marks, hashlib.sha256(body).digest())


def read_public_part(path: str | os.PathLike[str]) -> tuple[Keyset, Lifetime, Mark]:
    """What a key file says of its keys without its passphrase: not proven until they are loaded.

    Raises:
        KeyFileError: no key file, damaged, or of another version.
    """
    source = Path(path)
    body, marks, _ = _read_body(source)
    header = _read_header(source, body)
    return header.keyset, header.lifetime, marks


def marks_of(path: Path, identity: bytes) -> Mark | None:
    """The marks of a file that is there still; None where it is gone or holds other keys by now."""
    try:
        body, marks, _ = _read_body(path)
    except FileNotFoundError:
        return None
    return marks if hashlib.sha256(body).digest() == identity else None


def mark(path: Path, identity: bytes, wanted: Mark) -> bool | None:
    """Set a mark in a file, durably, if it holds the keys of `identity` still.

    Returns:
        Whether it was not set before: of several processes that set one, one alone is told so. None where the file is
        gone, or holds other keys by now.

    Raises:
        KeyFileError: another process is at it, or was killed while it was.
        OSError: the file cannot be written.
    """
    claim = path.with_name(f"{path.name}.marking")
    try:
        claim.touch(mode=whole.OWNER_ONLY, exist_ok=False)
    except FileExistsError as error:
        raise KeyFileError(
            f"another process is marking {path}: try again; where none is, one was killed there: delete {claim}"
        ) from error
    try:
        marks = marks_of(path, identity)
        if marks is None:
            return None
        if wanted in marks:
            return False
        body, _, mode = _read_body(path)
        with whole_file(path, mode=stat.S_IMODE(mode)) as file:
            file.write(_with_digest(body, marks | wanted))
        return True
    finally:
        claim.unlink(missing_ok=True)


def _with_digest(body: bytes, marks: Mark) -> bytes:
    marked = bytearray(body)
    marked[_VERSION_AT] |= marks
    return bytes(marked) + hashlib.sha256(marked).digest()


def _read_body(source: Path) -> tuple[bytes, Mark, int]:
    """All but the digest, which is checked, and without the marks; the marks, and the file's mode."""
    if source.exists() and not source.is_file():
        raise CorruptedKeyFileError(f"{source} is no file, but a folder, pipe or device")
    with source.open("rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        content = file.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise CorruptedKeyFileError(f"{source} is larger than any key file ({MAX_FILE_BYTES} bytes)")
    if len(content) < _HEADER.size + _DIGEST_BYTES or not content.startswith(MAGIC):
        raise CorruptedKeyFileError(f"{source} is not a key file of Cryptable")
    body, digest = content[:-_DIGEST_BYTES], content[-_DIGEST_BYTES:]
    if hashlib.sha256(body).digest() != digest:
        raise CorruptedKeyFileError(f"{source} is damaged (its checksum is wrong): restore it from a copy")
    unmarked = bytearray(body)
    unmarked[_VERSION_AT] &= ~_MARKS
    return bytes(unmarked), Mark(body[_VERSION_AT] & _MARKS), mode


def _read_header(source: Path, body: bytes) -> _Header:
    _, version, protection, created, expires, keyset_bytes = _HEADER.unpack_from(body)
    if version not in (FORMAT_VERSION, NAMED_SCHEME_VERSION) or protection not in (PLAINTEXT, SCRYPT_AES_GCM):
        raise KeyFileError(
            f"{source} has format version {version}, protection {protection}; this reader knows versions "
            f"{FORMAT_VERSION} and {NAMED_SCHEME_VERSION}: upgrade cryptable-client"
        )
    try:
        lifetime = Lifetime(created, expires)
    except InvalidInputError as error:
        raise CorruptedKeyFileError(f"{source}: {error}") from error
    name, keyset_at = (
        (BOOTSTRAPPED, _HEADER.size) if version == FORMAT_VERSION else _read_scheme(source, body, _HEADER.size)
    )
    end = keyset_at + keyset_bytes
    if keyset_bytes > _MAX_KEYSET_BYTES or end > len(body):
        raise CorruptedKeyFileError(f"{source} is cut short inside its parameters")
    try:
        keyset = scheme_called(name).keyset_from_bytes(body[keyset_at:end])
    except MalformedMessageError as error:
        raise CorruptedKeyFileError(f"{source}: {error}") from error
    except UnknownSchemeError as error:
        raise KeyFileError(f"{source}: {error}") from error
    return _Header(protection, lifetime, keyset, end)


def _read_scheme(source: Path, body: bytes, at: int) -> tuple[str, int]:
    """Name of the scheme, and where the keyset begins."""
    length = body[at] if at < len(body) else 0
    name = body[at + 1 : at + 1 + length]
    if len(name) != length or not _SCHEME.fullmatch(name):
        raise CorruptedKeyFileError(f"{source} names no scheme, or is cut short inside its name")
    if name.decode() == BOOTSTRAPPED:  # keys have one form
        raise CorruptedKeyFileError(f"{source} names the scheme {BOOTSTRAPPED!r}, whose keys are in format version 1")
    return name.decode(), at + 1 + length


def _serialize(keyset: Keyset, material: KeyMaterial, lifetime: Lifetime, passphrase: str | None) -> bytes:
    scheme = scheme_called(keyset.scheme)
    parameters = scheme.keyset_to_bytes(keyset)
    is_first = keyset.scheme == BOOTSTRAPPED
    header = _HEADER.pack(
        MAGIC,
        FORMAT_VERSION if is_first else NAMED_SCHEME_VERSION,
        PLAINTEXT if passphrase is None else SCRYPT_AES_GCM,
        lifetime.created_seconds,
        lifetime.expires_seconds,
        len(parameters),
    )
    if not is_first:
        header += bytes([len(keyset.scheme)]) + keyset.scheme.encode("ascii")
    header += parameters
    packed = scheme.pack(keyset, material)
    if passphrase is None:
        body = header + packed.tobytes()
    else:
        salt, nonce = os.urandom(_SALT_BYTES), os.urandom(_NONCE_BYTES)
        header += salt + nonce
        body = header + AESGCM(_derive(passphrase, salt)).encrypt(nonce, packed.data, header)
    packed.fill(0)
    return body + hashlib.sha256(body).digest()


def _decrypt(source: Path, body: bytes, salt_at: int, passphrase: str) -> bytes:
    nonce_at = salt_at + _SALT_BYTES
    payload_at = nonce_at + _NONCE_BYTES
    if len(body) < payload_at + _TAG_BYTES:
        raise CorruptedKeyFileError(f"{source} is cut short inside its encrypted part")
    key = _derive(passphrase, body[salt_at:nonce_at])
    try:
        return AESGCM(key).decrypt(body[nonce_at:payload_at], body[payload_at:], body[:payload_at])
    except InvalidTag as error:
        # The checksum held, so the bytes are those that were written, but for someone who forged it.
        raise WrongPassphraseError(f"{source}: this is not the passphrase that the keys were saved with") from error


def _derive(passphrase: str, salt: bytes) -> bytes:
    # One passphrase has several byte forms, depending on the keyboard and system; NFC picks one.
    text = unicodedata.normalize("NFC", passphrase)
    try:
        encoded = text.encode()
    except UnicodeEncodeError as error:
        raise InvalidInputError("the passphrase has characters that are no text (lone surrogates)") from error
    return Scrypt(salt=salt, length=32, n=_SCRYPT_N, r=_SCRYPT_R, p=_SCRYPT_P).derive(encoded)
