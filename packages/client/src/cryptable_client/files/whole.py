"""Files that are written whole or not at all."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

POSIX = os.name == "posix"
"""Else Windows, where access lists take the place of permission bits and a folder is not synced."""
_NO_LINKS = frozenset({errno.EPERM, errno.ENOSYS, errno.ENOTSUP, errno.EMLINK, errno.EACCES, errno.EINVAL})
"""What a file system without hard links may say: FAT, some network drives, some of Android's."""


@contextmanager
def whole_file(path: str | os.PathLike[str], *, overwrite: bool = True) -> Iterator[BinaryIO]:
    """A file to write that takes the name `path` when the block ends well, and is gone when it does not.

    Only this user may read it (on Windows, the folder's access list decides).

    Args:
        path: of the file.
        overwrite: whether it may take the place of another file; where not, two processes cannot both get the name.

    Raises:
        FileExistsError: there is a file of that name by the end of the block, and `overwrite` is False.
    """
    target = Path(path)
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if overwrite:
            Path(temporary).replace(target)
        else:
            _name_once(Path(temporary), target)
        _sync_folder(target.parent)
    finally:
        Path(temporary).unlink(missing_ok=True)


def _name_once(temporary: Path, target: Path) -> None:
    try:
        os.link(temporary, target)
        return
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
    # The name is taken first, so that no other process gets it, and then what it stands for is replaced.
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    temporary.replace(target)


def _sync_folder(folder: Path) -> None:
    # A new name is on disk when its folder is. Windows neither needs that nor opens folders.
    if POSIX:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some file systems sync no folders
                raise
        finally:
            os.close(descriptor)
