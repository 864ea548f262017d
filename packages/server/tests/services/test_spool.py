"""Files of rows in bulk: bounds for all and for each, a full disk, and what servers leave behind."""

import os
from pathlib import Path

import pytest
from cryptable_server.errors import ConfigurationError, OverloadedError
from cryptable_server.services.spool import Spool


@pytest.fixture
def spool(tmp_path):
    made = Spool(tmp_path, 1000)
    yield made
    made.close()


def put(spool, principal, size):
    with spool.begin(principal, size) as incoming:
        incoming.write(bytes(size))
        return incoming.whole()


def test_a_tensor_is_there_until_it_is_removed(spool, tmp_path):
    file = put(spool, "one", 300)
    assert (Path(file.location).read_bytes(), file.size, spool.bytes) == (bytes(300), 300, 300)
    assert Path(file.location).stat().st_mode & 0o777 == 0o600
    for _ in range(2):
        spool.remove(file.location)
        assert (Path(file.location).exists(), spool.bytes) == (False, 0)


def test_what_breaks_off_leaves_nothing(spool):
    with spool.begin("one", 300) as incoming:
        incoming.write(bytes(100))
    assert spool.bytes == 0
    assert [path.name for path in spool._folder.iterdir()] == ["lock"]


def test_one_principal_has_half_of_it_and_all_no_more_than_it(spool):
    put(spool, "one", 300)
    with pytest.raises(OverloadedError, match=r"yours 300 of 500 \(--bulk-disk\)") as caught:
        spool.begin("one", 300)
    assert caught.value.retry_after == 10.0
    put(spool, "two", 500)
    with pytest.raises(OverloadedError, match="take 800 bytes of 1000, yours 0 of 500"):
        spool.begin("three", 300)


def test_one_tensor_is_taken_where_there_are_no_others_however_large(spool):
    file = put(spool, "one", 5000)
    with pytest.raises(OverloadedError, match="take 5000 bytes of 1000"):
        spool.begin("two", 1)
    spool.remove(file.location)
    put(spool, "two", 1)


def test_a_full_disk_is_told_of(spool):
    with spool.begin("one", 300) as incoming, Path("/dev/full").open("wb", buffering=0) as full:
        incoming._file.close()
        incoming._file = full
        with pytest.raises(OverloadedError, match=r"takes no more rows in bulk \(No space left on device\)"):
            incoming.write(bytes(3))
    assert spool.bytes == 0


def test_folders_of_servers_that_are_gone_are_removed_and_others_stay(tmp_path):
    living = Spool(tmp_path, 1000)
    kept = put(living, "one", 9)
    (tmp_path / "gone").mkdir()
    (tmp_path / "gone" / "lock").touch()
    (tmp_path / "gone" / "tensor").touch()
    Spool(tmp_path, 1000).close()
    assert (tmp_path / "gone").exists()  # which could be one that is being made
    for folder in tmp_path.iterdir():
        os.utime(folder, (0, 0))
    other = Spool(tmp_path, 1000)
    assert not (tmp_path / "gone").exists()
    assert Path(kept.location).exists()
    other.close()
    living.close()
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="the directory for rows in bulk"):
        Spool(tmp_path / "file", 1000)
