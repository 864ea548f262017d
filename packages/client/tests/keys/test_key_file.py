import hashlib
import os
import stat

import numpy as np
import pytest
from cryptable_client.errors import CorruptedKeyFileError, KeyFileError, WeakParametersError, WrongPassphraseError
from cryptable_client.keys import key_file
from cryptable_client.keys.lifetime import Lifetime
from cryptable_client.keys.secret_keys import SecretKeys
from cryptable_protocol import CryptableError, InvalidInputError, KeysetParameters, SecretKeyParameters
from cryptable_protocol.files import whole
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

PASSPHRASE = "correct horse battery"


@pytest.fixture(scope="module")
def saved(tmp_path_factory, keyset):
    """A key file's bytes and the keys in it."""
    path = tmp_path_factory.mktemp("keys") / "saved.keys"
    secret_keys = SecretKeys.generate(keyset)
    secret_keys.save(path, passphrase=PASSPHRASE)
    return path.read_bytes(), secret_keys


def same(first, second):
    bits, others = first._key_material(), second._key_material()
    return first.keyset == second.keyset and all(np.array_equal(bits[key], others[key]) for key in bits)


def with_digest(body):
    return body + hashlib.sha256(body).digest()


def test_round_trip(tmp_path, saved):
    (tmp_path / "a.keys").write_bytes(saved[0])
    with SecretKeys.load(tmp_path / "a.keys", passphrase=PASSPHRASE) as loaded:
        assert same(loaded, saved[1])


def test_the_standard_librarys_scrypt_opens_it(tmp_path, secret_keys, slow_passphrases):
    """With the parameters that docs/key-file.md states."""
    for name, options in (("a", {"passphrase": PASSPHRASE}), ("b", {"insecure_plaintext": True})):
        secret_keys.save(tmp_path / name, **options)
    body, plain = ((tmp_path / name).read_bytes()[:-32] for name in ("a", "b"))
    end = key_file._read_header(tmp_path / "a", body).end
    salt, nonce, payload = body[end : end + 16], body[end + 16 : end + 28], body[end + 28 :]
    derived = hashlib.scrypt(PASSPHRASE.encode(), salt=salt, n=1 << 15, r=8, p=3, maxmem=1 << 26, dklen=32)
    assert AESGCM(derived).decrypt(nonce, payload, body[: end + 28]) == plain[end:]
    with SecretKeys.load(tmp_path / "a", passphrase=PASSPHRASE) as loaded:
        assert same(loaded, secret_keys)


def test_plaintext_round_trip(tmp_path, secret_keys):
    path = tmp_path / "plain.keys"
    secret_keys.save(path, insecure_plaintext=True)
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with SecretKeys.load(path, insecure_plaintext=True) as loaded:
        assert same(loaded, secret_keys)
    with pytest.raises(KeyFileError, match="not encrypted"):
        SecretKeys.load(path, passphrase=PASSPHRASE)


@pytest.mark.skipif(os.name != "posix", reason="permission bits are POSIX's")
def test_plaintext_that_others_may_read_is_refused(tmp_path, secret_keys):
    path = tmp_path / "plain.keys"
    secret_keys.save(path, insecure_plaintext=True)
    path.chmod(0o640)
    with pytest.raises(KeyFileError, match="chmod 600"):
        SecretKeys.load(path, insecure_plaintext=True)


def test_an_encrypted_file_is_private_and_shows_no_key(tmp_path, secret_keys):
    path = tmp_path / "my.keys"
    secret_keys.save(path, passphrase=PASSPHRASE)
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    packed = np.packbits(secret_keys._key_material()[0], bitorder="little").tobytes()
    assert packed[:16] not in path.read_bytes()
    assert list(tmp_path.iterdir()) == [path]


def test_two_files_of_the_same_keys_share_nothing_but_the_header(tmp_path, secret_keys):
    for name in ("a", "b"):
        secret_keys.save(tmp_path / name, passphrase=PASSPHRASE)
    first, second = (tmp_path / "a").read_bytes(), (tmp_path / "b").read_bytes()
    assert first[-80:] != second[-80:]


def test_keys_that_another_process_saved_meanwhile_are_kept(tmp_path, secret_keys, monkeypatch):
    path = tmp_path / "my.keys"
    serialize = key_file._serialize

    def slowly(*arguments):
        path.write_bytes(b"another process's")
        return serialize(*arguments)

    monkeypatch.setattr(key_file, "_serialize", slowly)
    with pytest.raises(InvalidInputError, match="another process"):
        secret_keys.save(path, passphrase=PASSPHRASE)
    assert path.read_bytes() == b"another process's"
    assert list(tmp_path.iterdir()) == [path]


def test_wrong_passphrase(tmp_path, saved):
    (tmp_path / "a.keys").write_bytes(saved[0])
    with pytest.raises(WrongPassphraseError, match="not the passphrase"):
        SecretKeys.load(tmp_path / "a.keys", passphrase="something else")
    with pytest.raises(KeyFileError, match="pass its passphrase"):
        SecretKeys.load(tmp_path / "a.keys")


def test_composed_and_decomposed_letters_are_one_passphrase(tmp_path, secret_keys):
    secret_keys.save(tmp_path / "a", passphrase="pass\u00e9 compos\u00e9")
    SecretKeys.load(tmp_path / "a", passphrase="passe\u0301 compose\u0301").close()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "needs a passphrase"),
        ({"passphrase": PASSPHRASE, "insecure_plaintext": True}, "exactly one"),
        ({"passphrase": ""}, "too short"),
        ({"passphrase": "short"}, "too short"),
        ({"passphrase": "lone \ud800 surrogate"}, "no text"),
    ],
)
def test_save_refuses(tmp_path, secret_keys, options, message):
    with pytest.raises(InvalidInputError, match=message):
        secret_keys.save(tmp_path / "a", **options)
    assert not list(tmp_path.iterdir())


def test_save_does_not_overwrite_unless_told(tmp_path, secret_keys):
    path = tmp_path / "a"
    path.write_bytes(b"precious")
    with pytest.raises(InvalidInputError, match="exists"):
        secret_keys.save(path, passphrase=PASSPHRASE)
    assert path.read_bytes() == b"precious"
    secret_keys.save(path, passphrase=PASSPHRASE, overwrite=True)
    SecretKeys.load(path, passphrase=PASSPHRASE).close()


def test_a_failing_write_leaves_the_old_file(tmp_path, secret_keys, monkeypatch):
    path = tmp_path / "a"
    secret_keys.save(path, passphrase=PASSPHRASE)
    before = path.read_bytes()

    def full_disk(_handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(whole.os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space"):
        secret_keys.save(path, passphrase=PASSPHRASE, overwrite=True)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_weak_keyset_in_a_file_is_refused(tmp_path):
    weak = KeysetParameters((SecretKeyParameters(0, 8),))
    body = key_file._serialize(weak, {0: np.ones(8, np.uint8)}, Lifetime(0), PASSPHRASE)
    (tmp_path / "a").write_bytes(body)
    with pytest.raises(WeakParametersError, match="secret key 0: dimension 8"):
        SecretKeys.load(tmp_path / "a", passphrase=PASSPHRASE)


@pytest.mark.parametrize(
    ("damage", "error", "message"),
    [
        (lambda data: b"", CorruptedKeyFileError, "not a key file"),
        (lambda data: b"x" * len(data), CorruptedKeyFileError, "not a key file"),
        (lambda data: data[:-1], CorruptedKeyFileError, "checksum"),
        (lambda data: data + b"\0", CorruptedKeyFileError, "checksum"),
        (lambda data: data * 100_000, CorruptedKeyFileError, "larger"),
        (lambda data: with_digest(data[:16] + b"\3" + data[17:-32]), KeyFileError, "version 3"),
        (lambda data: with_digest(data[:16] + b"\2" + data[17:-32]), CorruptedKeyFileError, "names no scheme"),
        (lambda data: with_digest(data[:17] + b"\7" + data[18:-32]), KeyFileError, "protection 7"),
        (lambda data: with_digest(data[:18] + b"\xff" * 8 + data[26:-32]), CorruptedKeyFileError, "no dates"),
        (lambda data: with_digest(data[:34] + b"\xff" * 4 + data[38:-32]), CorruptedKeyFileError, "cut short"),
        (lambda data: with_digest(data[:38] + b"\xff" + data[39:-32]), CorruptedKeyFileError, "keyset"),
        (lambda data: with_digest(data[:-33] + bytes([data[-33] ^ 1])), WrongPassphraseError, "passphrase"),
        (lambda data: with_digest(data[: 38 + data[34] + 256 * data[35]]), CorruptedKeyFileError, "cut short"),
    ],
)
def test_damaged_files(tmp_path, saved, damage, error, message):
    path = tmp_path / "a"
    path.write_bytes(damage(saved[0]))
    with pytest.raises(error, match=message):
        SecretKeys.load(path, passphrase=PASSPHRASE)


def test_bits_beyond_a_dimension_are_refused(tmp_path):
    keyset, path = KeysetParameters((SecretKeyParameters(0, 500),)), tmp_path / "a"
    body = key_file._serialize(keyset, {0: np.ones(500, np.uint8)}, Lifetime(0), None)[:-32]
    path.write_bytes(with_digest(body[:-1] + b"\x1f"))
    path.chmod(0o600)
    with pytest.raises(CorruptedKeyFileError, match="beyond its dimension"):
        SecretKeys.load(path, insecure_plaintext=True)


def test_any_bytes_give_a_typed_error(tmp_path, saved):
    path = tmp_path / "a"

    @settings(max_examples=300, deadline=None)
    @given(st.integers(0, len(saved[0]) - 33), st.binary(min_size=1, max_size=8), st.booleans())
    def check(position, replacement, recompute):
        data = saved[0][:position] + replacement + saved[0][position + len(replacement) :]
        if data == saved[0]:
            return
        path.write_bytes(with_digest(data[:-32]) if recompute else data)
        with pytest.raises(CryptableError):
            SecretKeys.load(path, insecure_plaintext=True)

    check()
