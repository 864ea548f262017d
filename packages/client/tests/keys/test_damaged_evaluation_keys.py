"""A server evaluates damaged evaluation keys as it does others, and answers nonsense: the client must not send them."""

import hashlib
import json
import os
import stat
import warnings

import pytest
from cryptable_client import SecretKeys, UnavailableError, connect, spool
from cryptable_client.__main__ import main
from cryptable_client.keys.directory import KeyDirectory
from cryptable_client.keys.evaluation_keys import write_evaluation_keys
from cryptable_client.keys.spooled import open_public
from cryptable_client.server import upload
from cryptable_protocol import InvalidInputError

PASSPHRASE = "correct horse battery"
DAMAGED = "damaged: deleted, evaluation keys are made again"


def flip(path, count=4096):
    """Bits in the middle, where no first row is."""
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    for at in range(middle, middle + count):
        data[at] ^= 0xFF
    path.write_bytes(data)
    return bytes(data)


def content(spooled):
    return b"".join(data for _, data in spooled.chunks())


@pytest.fixture
def kept(secret_keys, tmp_path):
    path = tmp_path / "keys.evaluation-keys"
    spool(secret_keys, path=path).close()
    return path


def beside(path):
    return path.with_name(f"{path.name}.sha256")


def test_the_digest_is_kept_beside_the_keys(kept):
    data = kept.read_bytes()
    assert beside(kept).read_text() == f"{hashlib.sha256(data).hexdigest()}  {kept.name}\n"
    if os.name == "posix":
        assert {stat.S_IMODE(path.stat().st_mode) for path in (kept, beside(kept))} == {0o600}


@pytest.mark.parametrize("has_digest", [True, False], ids=["with its digest", "of an earlier version"])
def test_damaged_keys_are_made_again_under_new_seeds(secret_keys, keyset, kept, has_digest):
    old = kept.read_bytes()
    flip(kept)
    if not has_digest:
        beside(kept).unlink()
    with pytest.warns(UserWarning, match=DAMAGED), spool(secret_keys, path=kept) as spooled:
        new = content(spooled)
    assert kept.read_bytes() == new
    assert hashlib.sha256(new).digest() == spooled.header.sha256
    assert len(new) == len(old)
    second = keyset.bootstrap_key_bytes(keyset.bootstrap_keys[0])
    assert {new[:16], new[second : second + 16]}.isdisjoint({old[:16], old[second : second + 16]})
    with spool(secret_keys, path=kept) as again:
        assert again.header == spooled.header


@pytest.mark.parametrize("change", [lambda data: data[:-1], lambda data: data + b"\0", lambda data: b""])
def test_keys_of_another_length_than_what_was_made_are_damaged(secret_keys, kept, change):
    old = kept.read_bytes()
    kept.write_bytes(change(old))
    with pytest.warns(UserWarning, match=DAMAGED), spool(secret_keys, path=kept) as spooled:
        assert spooled.header.size == len(old)


def test_keys_of_earlier_versions_are_looked_at_once_and_used(secret_keys, kept, monkeypatch):
    data = kept.read_bytes()
    beside(kept).unlink()
    spool(secret_keys, path=kept).close()
    assert kept.read_bytes() == data
    assert beside(kept).read_text().startswith(hashlib.sha256(data).hexdigest())
    monkeypatch.setattr(
        "cryptable_client.schemes.bootstrapped.client_scheme.Bootstrapped.intact", lambda *_, **__: pytest.fail("again")
    )
    spool(secret_keys, path=kept).close()


@pytest.mark.parametrize("text", [b"", b"\xff\xfe", b"00" * 31, b"0" * 65, b"G" * 64, None])
def test_a_digest_that_is_none_is_as_no_digest(secret_keys, kept, text):
    data = kept.read_bytes()
    beside(kept).unlink()
    if text is None:
        beside(kept).mkdir()
    else:
        beside(kept).write_bytes(text)
    with spool(secret_keys, path=kept) as spooled:
        assert content(spooled) == data


def test_keys_of_others_are_never_deleted(keyset, secret_keys, kept):
    """They are whole, and somebody's."""
    data = kept.read_bytes()
    with SecretKeys.generate(keyset) as others:
        for _ in range(2):
            with pytest.raises(InvalidInputError, match="other secret keys"):
                spool(others, path=kept)
            beside(kept).unlink(missing_ok=True)
    assert kept.read_bytes() == data


def test_a_file_that_is_something_else_is_never_deleted(secret_keys, tmp_path):
    path = tmp_path / "thesis"
    path.write_bytes(b"the only copy")
    with pytest.raises(InvalidInputError, match="has 13 bytes"):
        spool(secret_keys, path=path)
    assert path.read_bytes() == b"the only copy"


def test_a_disk_that_damages_all_it_is_given(secret_keys, tmp_path, monkeypatch):
    path = tmp_path / "keys"
    make = write_evaluation_keys

    def damaging(secret_keys, file, **options):
        header = make(secret_keys, file, **options)
        file.seek(1 << 20)
        file.write(bytes(4096))
        return header

    monkeypatch.setattr("cryptable_client.keys.evaluation_keys.write_evaluation_keys", damaging)
    with pytest.warns(UserWarning, match=DAMAGED), pytest.raises(InvalidInputError, match="look after the disk"):
        spool(secret_keys, path=path)
    assert not list(tmp_path.iterdir())


def test_keys_that_another_process_made_meanwhile_are_used(secret_keys, tmp_path, monkeypatch):
    path, make = tmp_path / "keys", write_evaluation_keys

    def slowly(secret_keys, file, **options):
        with path.open("wb") as other:
            make(secret_keys, other)
        return make(secret_keys, file, **options)

    monkeypatch.setattr("cryptable_client.keys.evaluation_keys.write_evaluation_keys", slowly)
    with spool(secret_keys, path=path) as spooled:
        assert content(spooled) == path.read_bytes()
    assert beside(path).read_text().startswith(spooled.header.sha256.hex())


def test_whoever_relays_damaged_keys_is_told(keyset, kept):
    open_public(keyset, kept).close()
    flip(kept)
    with pytest.raises(InvalidInputError, match=r"damaged.*copy it again"):
        open_public(keyset, kept)
    beside(kept).unlink()
    open_public(keyset, kept).close()  # nothing says what they were


@pytest.mark.parametrize("keeps_parts", [False, True])
def test_an_upload_that_broke_is_never_continued_with_other_keys(echo, secret_keys, tmp_path, monkeypatch, keeps_parts):
    path = tmp_path / "keys"
    echo.keeps_parts, echo.break_upload_after = keeps_parts, [1 << 20]
    options = {"model": "echo", "insecure": True, "secret_keys": secret_keys, "evaluation_keys": path}
    monkeypatch.setattr(upload, "PAUSES_SECONDS", ())
    with pytest.raises(UnavailableError):
        connect(echo.address, **options)
    old = path.read_bytes()
    flip(path)
    secret_keys._evaluation_keys.close()
    secret_keys._evaluation_keys = None  # as in the next run
    with pytest.warns(UserWarning, match=DAMAGED), connect(echo.address, **options):
        pass
    (new,) = echo.keys.values()
    assert echo.starts[-1] == 0
    assert new == path.read_bytes()
    assert new[:16] != old[:16]


def test_on_the_command_line(echo, spec, tmp_path, monkeypatch, capsys):
    """4 kB of a key directory's evaluation keys flipped: said, mended, recorded, and the exit status is right."""
    monkeypatch.setenv("CRYPTABLE_PASSPHRASE", PASSPHRASE)
    directory = KeyDirectory(tmp_path / "keys")
    directory.create(spec, name="mine", passphrase=PASSPHRASE).close()
    (tmp_path / "data.csv").write_text("age,dose\n22,3.0\n")
    files = ["--input", str(tmp_path / "data.csv"), "--output", str(tmp_path / "out.csv")]
    server = ["--address", echo.address, "--insecure", "--model", "echo"]

    def predict():
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            assert main(["predict", *server, "--key-directory", str(directory.folder), *files]) == 0
        return capsys.readouterr().err

    assert "damaged" not in predict()
    damaged = flip(directory.evaluation_keys("mine"))
    assert predict() == (
        f"cryptable-client: {directory.evaluation_keys('mine')} was damaged: deleted, evaluation keys are made again\n"
    )
    assert damaged not in echo.keys.values()
    assert len(echo.keys) == 2
    recorded = json.loads((directory.folder / "mine.uploads.json").read_text())
    assert {each["sha256"] for each in recorded} == {sha256.hex() for sha256 in echo.keys}
    assert "damaged" not in predict()
    assert len(echo.uploads) == 2
    directory.delete("mine")
    assert [path.name for path in directory.folder.iterdir()] == ["to-delete.json"]
