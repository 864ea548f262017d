"""Reading files that others put there: regular ones alone, of a bounded size, and never waiting for a writer."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import NamedTuple

_BLOCK_BYTES = 1 << 20
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


class FileState(NamedTuple):
    """Changes with a file's content, and with who may read it or write to it."""

    device: int
    inode: int
    size: int
    mode: int
    modified_ns: int
    changed_ns: int
    """When it or its status changed last: a new mode changes no other time."""


def file_state(path: Path) -> FileState:
    """The state of a file; raises OSError where it is not there, or not a regular one."""
    return _state(path.stat(), path)


def read_regular(path: Path, *, most: int) -> tuple[bytes, FileState]:
    """A file's content, and the state that it had before it was read.

    Args:
        path: of the file, or of a link to it.
        most: bytes that it may have.

    Raises:
        OSError: it cannot be read, is no regular file, or has more bytes; `strerror` says which.
    """
    _state(path.stat(), path)  # before it is opened: to open a device can have effects
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        state = _state(os.fstat(descriptor), path)
        content = bytearray()
        while block := file.read(min(_BLOCK_BYTES, most + 1 - len(content))):
            content += block
        if len(content) > most:
            raise OSError(errno.EFBIG, f"larger than {most} bytes", str(path))
    return bytes(content), state


def _state(status: os.stat_result, path: Path) -> FileState:
    for is_kind, name in _KINDS:
        if is_kind(status.st_mode):
            raise OSError(errno.EINVAL, f"{name}, not a regular file", str(path))
    return FileState(
        status.st_dev, status.st_ino, status.st_size, status.st_mode, status.st_mtime_ns, status.st_ctime_ns
    )
