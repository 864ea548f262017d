"""Key files: secret keys encrypted under a passphrase (docs/key-file.md gives every byte)."""

from __future__ import annotations

import hashlib
import os
import stat
import struct
import unicodedata
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from cryptable_protocol.errors import InvalidInputError, MalformedMessageError
from cryptable_protocol.files import whole
from cryptable_protocol.files.whole import whole_file
from cryptable_protocol.messages import client_spec as pb
from cryptable_protocol.schemes.bootstrapped.keyset import KeysetParameters
from cryptable_protocol.wire.canonical import from_canonical_bytes, to_canonical_bytes
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from cryptable_client.errors import CorruptedKeyFileError, KeyFileError, WrongPassphraseError
from cryptable_client.keys.lifetime import Lifetime

Bits = npt.NDArray[np.uint8]

MAGIC = b"cryptable secret"
FORMAT_VERSION = 1
PLAINTEXT, SCRYPT_AES_GCM = 0, 1
MINIMUM_PASSPHRASE = 8
MAX_FILE_BYTES = 1 << 22
_MAX_KEYSET_BYTES = 1 << 14
_SALT_BYTES, _NONCE_BYTES, _TAG_BYTES, _DIGEST_BYTES = 16, 12, 16, 32
_HEADER = struct.Struct(f"<{len(MAGIC)}sBBQQI")
# OWASP's recommendation of 32 MiB three times over: small devices must be able to open their keys.
_SCRYPT_N, _SCRYPT_R, _SCRYPT_P = 1 << 15, 8, 3


def write(
    path: str | os.PathLike[str],
    keyset: KeysetParameters,
    bits: Mapping[int, Bits],
    lifetime: Lifetime,
    *,
    passphrase: str | None,
    insecure_plaintext: bool,
    overwrite: bool,
) -> None:
    """Write a key file; see `SecretKeys.save`."""
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
    content = _serialize(keyset, bits, lifetime, passphrase)
    try:
        with whole_file(target, overwrite=overwrite) as file:
            file.write(content)
    except FileExistsError as error:
        raise InvalidInputError(
            f"{target} was written by another process meanwhile, and its keys would be lost: choose another path"
        ) from error


def read(
    path: str | os.PathLike[str], *, passphrase: str | None, insecure_plaintext: bool
) -> tuple[KeysetParameters, Lifetime, dict[int, Bits]]:
    """Read a key file; see `SecretKeys.load`."""
    source = Path(path)
    body, mode = _read_body(source)
    protection, lifetime, keyset, payload_at = _read_header(source, body)
    if protection == SCRYPT_AES_GCM:
        if passphrase is None:
            raise KeyFileError(f"{source} is encrypted: pass its passphrase=...")
        packed = _decrypt(source, body, payload_at, passphrase)
    else:
        if not insecure_plaintext:
            raise KeyFileError(f"{source} is not encrypted: pass insecure_plaintext=True to use it all the same")
        if whole.POSIX and mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise KeyFileError(f"{source} is not encrypted and other users may read it: chmod 600 it")
        packed = body[payload_at:]
    return keyset, lifetime, _unpack(source, keyset, packed)


def read_public_part(path: str | os.PathLike[str]) -> tuple[KeysetParameters, Lifetime]:
    """What a key file says of its keys without its passphrase: not proven until they are loaded.

    Raises:
        KeyFileError: no key file, damaged, or of another version.
    """
    source = Path(path)
    body, _ = _read_body(source)
    _, lifetime, keyset, _ = _read_header(source, body)
    return keyset, lifetime


def _read_body(source: Path) -> tuple[bytes, int]:
    """All but the digest, which is checked, and the file's mode."""
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
    return body, mode


def _read_header(source: Path, body: bytes) -> tuple[int, Lifetime, KeysetParameters, int]:
    """Protection, lifetime, keyset, and where the rest begins."""
    _, version, protection, created, expires, keyset_bytes = _HEADER.unpack_from(body)
    if version != FORMAT_VERSION or protection not in (PLAINTEXT, SCRYPT_AES_GCM):
        raise KeyFileError(
            f"{source} has format version {version}, protection {protection}; this reader knows version "
            f"{FORMAT_VERSION}: upgrade cryptable-client"
        )
    try:
        lifetime = Lifetime(created, expires)
    except InvalidInputError as error:
        raise CorruptedKeyFileError(f"{source}: {error}") from error
    return protection, lifetime, _read_keyset(source, body, keyset_bytes), _HEADER.size + keyset_bytes


def _serialize(keyset: KeysetParameters, bits: Mapping[int, Bits], lifetime: Lifetime, passphrase: str | None) -> bytes:
    parameters = to_canonical_bytes(keyset.to_message())
    protection = PLAINTEXT if passphrase is None else SCRYPT_AES_GCM
    header = _HEADER.pack(
        MAGIC, FORMAT_VERSION, protection, lifetime.created_seconds, lifetime.expires_seconds, len(parameters)
    )
    header += parameters
    parts = [np.packbits(bits[key.id], bitorder="little") for key in keyset.secret_keys]
    packed = np.concatenate(parts)
    if passphrase is None:
        body = header + packed.tobytes()
    else:
        salt, nonce = os.urandom(_SALT_BYTES), os.urandom(_NONCE_BYTES)
        header += salt + nonce
        body = header + AESGCM(_derive(passphrase, salt)).encrypt(nonce, packed.data, header)
    for array in (*parts, packed):
        array.fill(0)
    return body + hashlib.sha256(body).digest()


def _read_keyset(source: Path, body: bytes, keyset_bytes: int) -> KeysetParameters:
    parameters = body[_HEADER.size : _HEADER.size + keyset_bytes]
    if len(parameters) != keyset_bytes:
        raise CorruptedKeyFileError(f"{source} is cut short inside its parameters")
    try:
        message = from_canonical_bytes(
            pb.KeysetParameters, parameters, limit=_MAX_KEYSET_BYTES, what="keyset of the key file"
        )
        return KeysetParameters.from_message(message)
    except MalformedMessageError as error:
        raise CorruptedKeyFileError(f"{source}: {error}") from error


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


def _unpack(source: Path, keyset: KeysetParameters, packed: bytes) -> dict[int, Bits]:
    expected = sum((key.dimension + 7) // 8 for key in keyset.secret_keys)
    if len(packed) != expected:
        raise CorruptedKeyFileError(f"{source}: {len(packed)} bytes of keys, expected {expected}")
    bits, at = {}, 0
    for key in keyset.secret_keys:
        length = (key.dimension + 7) // 8
        unpacked = np.unpackbits(np.frombuffer(packed, np.uint8, length, at), bitorder="little")
        if unpacked[key.dimension :].any():
            raise CorruptedKeyFileError(f"{source}: secret key {key.id} has bits beyond its dimension")
        bits[key.id] = unpacked[: key.dimension].copy()
        unpacked.fill(0)
        at += length
    return bits
