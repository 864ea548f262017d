"""Files that are written whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

POSIX = os.name == "posix"
"""Else Windows, where access lists take the place of permission bits and a folder is not synced."""
OWNER_ONLY = 0o600
AS_USUAL = 0o666
"""What any program's new file has: everybody's, less what the user's umask takes away."""
_NO_LINKS = frozenset({errno.EPERM, errno.ENOSYS, errno.ENOTSUP, errno.EMLINK, errno.EACCES, errno.EINVAL})
"""What a file system without hard links may say: FAT, some network drives, some of Android's."""


@contextmanager
def whole_file(path: str | os.PathLike[str], *, mode: int = OWNER_ONLY, overwrite: bool = True) -> Iterator[BinaryIO]:
    """A file to write that takes the name `path` when the block ends well, and is gone when it does not.

    What was written is on disk when the block has ended, under that name: neither a kill nor a power cut at any time
    leaves a part of it there, and none after the end brings back what was there before. A kill may leave a hidden file
    beside it, whose name begins with this one's.

    Args:
        path: of the file.
        mode: permission bits that it is created with, less the umask's: it never had others. On Windows the folder's
            access list decides.
        overwrite: whether it may take the place of another file; where not, two processes cannot both get the name.
            (On a file system without hard links, a kill just when it takes the name can then leave an empty file.)

    Raises:
        FileExistsError: there is a file of that name by the end of the block, and `overwrite` is False.
        OSError: it cannot be written. What had the name has it still, unless only the folder could not be synced.
    """
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{secrets.token_urlsafe(6)}")
    try:
        with open(temporary, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if overwrite:
            temporary.replace(target)
        else:
            _name_once(temporary, target)
        sync_folder(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Put on disk which names a folder has: a new, changed or removed one is there when this has returned.

    Raises:
        OSError: it cannot be done, by a file system that can in general.
    """
    # Windows neither needs that nor opens folders.
    if POSIX:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some file systems sync no folders
                raise
        finally:
            os.close(descriptor)


def sync_folders(folder: Path) -> None:
    """Put a folder on disk with all that it holds, as deep as it goes: then it can take another name as a whole."""
    for path in folder.iterdir():
        if path.is_dir():
            sync_folders(path)
        else:
            with path.open("rb+") as file:
                os.fsync(file.fileno())
    sync_folder(folder)


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
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, OWNER_ONLY))
    temporary.replace(target)
