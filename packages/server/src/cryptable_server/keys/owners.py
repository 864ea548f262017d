"""Whose evaluation keys a folder of the store holds: it is called by a digest, so the name is kept in it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from cryptable_protocol.files.whole import whole_file

from cryptable_server.files.regular_files import read_regular
from cryptable_server.principals import Principal

_NAME = "principal"
_MAX_BYTES = 1 << 16


def write_name(folder: Path, principal: str) -> None:
    """Keep the name, if it is not there. A disk that is full costs an operator's list a name, not a caller its keys."""
    path = folder / _NAME
    if path.exists():
        return
    with suppress(OSError), whole_file(path) as file:
        file.write(principal.encode())


def read_name(folder: Path) -> str:
    """The name, or "" where it is not known, or is another's."""
    try:
        name = read_regular(folder / _NAME, most=_MAX_BYTES)[0].decode()
    except (OSError, UnicodeDecodeError):
        return ""
    return name if Principal(name).folder == folder.name else ""


def forget_name(folder: Path) -> None:
    """Remove the name and the folder, if it holds nothing else."""
    for path in (folder / _NAME, *folder.glob(f".{_NAME}.*")):  # the latter are left where a kill met the writing
        with suppress(OSError):
            path.unlink()
    with suppress(OSError):
        folder.rmdir()
