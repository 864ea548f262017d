"""What may lie in a directory of models that is no artifact, and what comes of it."""

import os
import resource
import shutil
import socket
from contextlib import closing

import pytest
from cryptable_protocol import ModelArtifact
from cryptable_server.errors import ModelsError
from cryptable_server.models.folder import ModelFolder
from hanging import hanging_folder


@pytest.fixture
def folder(models, tmp_path):
    shutil.copytree(models, tmp_path / "models")
    return tmp_path / "models"


def reasons(folder):
    """Why each file is refused, or None."""
    found = folder.artifacts(folder.files())
    return {
        path.name.removesuffix(".cryptable"): None if isinstance(artifact, ModelArtifact) else artifact.reason
        for path, artifact in found.items()
    }


def test_strange_things_are_refused_with_the_reason(folder):
    os.mkfifo(folder / "fifo.cryptable")
    (folder / "folder.cryptable").mkdir()
    for name, target in [("zero", "/dev/zero"), ("loop", "loop.cryptable"), ("dangling", "nothing"), ("tty", "fifo")]:
        (folder / f"{name}.cryptable").symlink_to(target)
    (folder / "tty.cryptable").unlink()
    (folder / "huge.cryptable").touch()
    os.truncate(folder / "huge.cryptable", 1 << 40)
    with closing(socket.socket(socket.AF_UNIX)) as listening:
        listening.bind(str(folder / "socket.cryptable"))
        read = ModelFolder(folder)
        read.state()
        assert reasons(read) == {
            "fifo": "a FIFO, not a regular file",
            "folder": "a folder, not a regular file",
            "zero": "a device, not a regular file",
            "loop": "Too many levels of symbolic links",
            "dangling": "No such file or directory",
            "huge": reasons(read)["huge"],
            "socket": "a socket, not a regular file",
            "linear": None,
            "tables": None,
        }
        assert reasons(read)["huge"].startswith("larger than")


def test_settings_that_are_a_fifo_are_an_error(folder):
    os.mkfifo(folder / "models.toml")
    with pytest.raises(ModelsError, match=r"models\.toml: a FIFO, not a regular file"):
        ModelFolder(folder).settings()


def test_a_folder_that_is_not_there_is_named(tmp_path):
    folder = ModelFolder(tmp_path / "gone")
    with pytest.raises(ModelsError, match="No such file"):
        folder.files()
    assert folder.state() == folder.state()


def test_a_changed_mode_is_a_change(folder):
    read = ModelFolder(folder)
    before = read.state()
    assert read.state() == before
    (folder / "linear.cryptable").chmod(0o400)
    assert read.state() != before


def test_what_could_not_be_opened_for_a_while_is_read_again(folder):
    read = ModelFolder(folder)
    files = read.files()
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        read.artifacts(files)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert [read.is_to_be_read_again(), read.is_to_be_read_again()] == [True, False]


def test_a_file_system_that_hangs_keeps_no_other_file(folder):
    read = ModelFolder(folder, read_seconds=0.5)
    with hanging_folder(folder / "hanging.cryptable"):
        assert ("hanging.cryptable", "its file system does not answer within 0.5 s") in read.state()
        assert reasons(read)["linear"] is None
        assert "does not answer" in reasons(read)["hanging"]
