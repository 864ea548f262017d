import errno
import os
import stat

import pytest
from cryptable_client.files import whole
from cryptable_client.files.whole import whole_file


def write(path, data=b"new", **options):
    with whole_file(path, **options) as file:
        file.write(data)


def test_a_file_takes_its_name_when_it_is_whole(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with whole_file(path) as file:
        file.write(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("overwrite", [True, False])
def test_nothing_is_left_of_a_file_that_was_not_finished(tmp_path, overwrite):
    def interrupted():
        with whole_file(tmp_path / "file", overwrite=overwrite) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("refusal", [None, errno.EPERM, errno.ENOTSUP, errno.EINVAL])
def test_a_name_is_taken_once(tmp_path, monkeypatch, refusal):
    """Also where the file system knows no hard links."""
    if refusal is not None:

        def no_links(*_):
            raise OSError(refusal, os.strerror(refusal))

        monkeypatch.setattr(whole.os, "link", no_links)
    path = tmp_path / "file"
    write(path, overwrite=False)
    with pytest.raises(FileExistsError):
        write(path, b"other", overwrite=False)
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failing_link_is_an_error_of_its_own(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(whole.os, "link", full)
    with pytest.raises(OSError, match="full"):
        write(tmp_path / "file", overwrite=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="folders are synced on POSIX alone")
def test_the_name_is_on_disk_too(tmp_path, monkeypatch):
    synced = []
    fsync = os.fsync

    def noted(descriptor):
        synced.append(stat.S_ISDIR(os.fstat(descriptor).st_mode))
        fsync(descriptor)

    monkeypatch.setattr(whole.os, "fsync", noted)
    write(tmp_path / "file")
    assert synced == [False, True]
