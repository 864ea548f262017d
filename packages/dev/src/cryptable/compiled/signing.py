"""Signing keys: with one, a developer vouches for models, and clients notice a model by anybody else."""

from __future__ import annotations

import os
from pathlib import Path

from cryptable_protocol import InvalidInputError
from cryptable_protocol.files.whole import whole_file
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SigningKey = str | os.PathLike[str] | Ed25519PrivateKey


def make_signing_key(path: str | os.PathLike[str], *, passphrase: str | None = None) -> str:
    """Write a new Ed25519 key, as PEM (PKCS #8), readable by its owner alone.

    Args:
        path: where to; a file that exists is never replaced.
        passphrase: encrypts the file.

    Returns:
        The public key in hexadecimal, which clients compare with.

    Raises:
        InvalidInputError: the file exists.
        OSError: it cannot be written.
    """
    key = Ed25519PrivateKey.generate()
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase is not None:
        encryption = serialization.BestAvailableEncryption(passphrase.encode())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    try:
        with whole_file(path, overwrite=False) as file:
            file.write(pem)
    except FileExistsError as error:
        raise InvalidInputError(f"{Path(path)} exists, and its key would be lost: choose another path") from error
    return key.public_key().public_bytes_raw().hex()


def read_signing_key(key: SigningKey, *, passphrase: str | None = None) -> Ed25519PrivateKey:
    """A private key, from a PEM file unless it is one already.

    Raises:
        InvalidInputError: the file holds no Ed25519 private key, or needs another passphrase.
        OSError: it cannot be read.
    """
    if isinstance(key, Ed25519PrivateKey):
        return key
    try:
        read = serialization.load_pem_private_key(
            Path(key).read_bytes(), None if passphrase is None else passphrase.encode()
        )
    except (ValueError, TypeError) as error:
        raise InvalidInputError(
            f"{Path(key)}: no private key in PEM form that {'no' if passphrase is None else 'this'} passphrase opens: "
            "make one with `cryptable keygen-signing`"
        ) from error
    if not isinstance(read, Ed25519PrivateKey):
        raise InvalidInputError(f"{Path(key)}: a private key of another kind, expected Ed25519")
    return read
