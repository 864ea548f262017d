"""Whose evaluation keys a folder of the store holds: it is called by a digest, so the name is kept in it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from cryptable_server.principals import Principal

_NAME = "principal"


def write_name(folder: Path, principal: str) -> None:
    """Keep the name, if it is not there. A disk that is full costs an operator's list a name, not a caller its keys."""
    path = folder / _NAME
    if path.exists():
        return
    temporary = folder / f"{_NAME}-new"
    with suppress(OSError):
        temporary.write_text(principal, encoding="utf-8")
        temporary.replace(path)


def read_name(folder: Path) -> str:
    """The name, or "" where it is not known, or is another's."""
    try:
        name = (folder / _NAME).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
    return name if Principal(name).folder == folder.name else ""


def forget_name(folder: Path) -> None:
    """Remove the name and the folder, if it holds nothing else."""
    (folder / _NAME).unlink(missing_ok=True)
    with suppress(OSError):
        folder.rmdir()
