"""A public seed stands for one byte string, ever: through forks, interruptions, resumptions, rotations and changes."""

import os
import sys
from dataclasses import replace

import numpy as np
import pytest
from cryptable_client import SecretKeys, SpooledEvaluationKeys, connect, encrypt, spool
from cryptable_client.keys.directory import KeyDirectory
from cryptable_client.server import upload

PASSPHRASE = "correct horse"
ROWS = [[22.0, 3.0], [30.0, 15.5], [0.0, 1.0]]


class Book:
    """Which bytes each seed was used for: another use with other bytes is the failure."""

    def __init__(self):
        self.bodies = {}
        self.partial = 0

    def note(self, seed, bodies):
        seed, bodies = bytes(seed), bytes(bodies)
        assert len(seed) == 16
        known = self.bodies.setdefault(seed, bodies)
        common = min(len(known), len(bodies))  # what broke off is the beginning of what was sent again
        assert known[:common] == bodies[:common]
        self.partial += len(known) != len(bodies)
        self.bodies[seed] = max(known, bodies, key=len)

    def note_evaluation_keys(self, data, keyset):
        """Each key of an upload, as far as it came."""
        place = 0
        for key in keyset.bootstrap_keys:
            size = 16 + 8 * keyset.bootstrap_key_rows(key) * key.polynomial_size
            self.note(data[place : place + 16], data[place + 16 : place + size])
            place += size
        for key in keyset.keyswitch_keys:
            size = 16 + 8 * keyset.keyswitch_key_rows(key)
            if len(data) >= place + 16:
                self.note(data[place : place + 16], data[place + 16 : place + size])
            place += size


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch):
    monkeypatch.setattr(upload, "PAUSES_SECONDS", (0.01, 0.01))


def test_through_everything_that_can_happen(echo, spec, tmp_path):
    book, directory = Book(), KeyDirectory(tmp_path / "keys")

    def use(**options):
        name = directory.find(echo.spec.keyset).name
        with (
            directory.load(name, passphrase=PASSPHRASE) as secret_keys,
            connect(
                echo.address,
                model="echo",
                insecure=True,
                secret_keys=secret_keys,
                evaluation_keys=directory.evaluation_keys(name),
                **options,
            ) as remote,
        ):
            remote.predict(ROWS)

    def write_down():
        for data in echo.uploads:
            book.note_evaluation_keys(data, echo.spec.keyset)
        for seed, bodies in echo.rows:
            book.note(seed, bodies)
        echo.uploads.clear()
        echo.rows.clear()

    directory.create(spec, passphrase=PASSPHRASE).close()
    name = directory.entries()[0].name
    echo.break_upload_after, echo.break_rows_at = [1 << 20, 2 << 20], [1, 2]
    use()  # two uploads break off and are sent again; a worker dies twice, and the rows are encrypted anew
    assert len(echo.uploads) == 3
    write_down()
    assert book.partial
    echo.keys.clear()
    use()  # the server lost the keys: the spooled bytes again, in another process's life
    assert len(echo.uploads) == 1
    write_down()
    before = len(book.bodies)
    directory.rotate(name, passphrase=PASSPHRASE)
    use()
    write_down()
    assert len(book.bodies) >= before + 2 + len(ROWS)
    changed = replace(spec.keyset.keyswitch_keys[0], base_log=5)
    echo.spec = replace(
        spec, parameters=replace(spec.parameters, keyset=replace(spec.keyset, keyswitch_keys=(changed,)))
    )
    directory.create(echo.spec, passphrase=PASSPHRASE).close()
    use()
    write_down()
    assert len(book.bodies) == len(set(book.bodies.values()))  # nor do two seeds stand for one


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no processes are forked here")
@pytest.mark.skipif(sys.version_info >= (3, 12), reason="CPython warns of forks beside threads")
def test_through_forks(spec, secret_keys, tmp_path):
    """Children and parent encrypt the same row and make evaluation keys of the same secret keys."""
    book, row = Book(), np.zeros(spec.input.size, np.int64)
    encrypt(spec, secret_keys, row)  # whatever state there is, it is there before the fork

    def use(path):
        tensor = encrypt(spec, secret_keys, row)
        path.with_suffix(".row").write_bytes(tensor.seed + tensor.bodies.tobytes())
        with spool(secret_keys, path=path.with_suffix(".keys"), threads=1):
            pass

    children = []
    for number in range(3):
        child = os.fork()
        if not child:
            status = 1
            try:
                use(tmp_path / str(number))
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    use(tmp_path / "parent")
    for child in children:
        assert os.waitpid(child, 0)[1] == 0
    for path in tmp_path.glob("*.row"):
        book.note(path.read_bytes()[:16], path.read_bytes()[16:])
    for path in tmp_path.glob("*.keys"):
        book.note_evaluation_keys(path.read_bytes(), spec.keyset)
    assert len(book.bodies) == 4 * 3
    assert not book.partial


def test_resuming_in_the_middle_gives_the_same_bytes(secret_keys):
    with spool(secret_keys) as spooled:
        whole = b"".join(data for _, data in spooled.chunks())
        for offset in (0, 1, 17, 1 << 20, len(whole) - 1):
            assert b"".join(data for _, data in spooled.chunks(offset=offset)) == whole[offset:]
    assert not [name for name in vars(SpooledEvaluationKeys) if "seed" in name]


def test_an_interrupted_rotation_keeps_no_old_evaluation_keys(spec, tmp_path, monkeypatch):
    """Old evaluation keys beside new secret keys would be refused; new ones must never continue old ones."""
    directory = KeyDirectory(tmp_path)
    with directory.create(spec, name="a", passphrase=PASSPHRASE) as secret_keys:
        spool(secret_keys, path=directory.evaluation_keys("a")).close()
        old = directory.evaluation_keys("a").read_bytes()

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(SecretKeys, "save", interrupted)
        with pytest.raises(KeyboardInterrupt):
            directory.rotate("a", passphrase=PASSPHRASE)
    with (
        directory.load("a", passphrase=PASSPHRASE) as secret_keys,
        spool(secret_keys, path=directory.evaluation_keys("a")) as spooled,
    ):
        again = b"".join(data for _, data in spooled.chunks())
    assert again[:16] != old[:16]
