"""A program's folder: written whole or not at all, with a record that says of which scheme it is."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cryptable_protocol import InvalidInputError
from cryptable_protocol.files.whole import sync_folders

from cryptable_engine.errors import CompilationError, UnsupportedProgramError

RECORD = "program.json"
_FORMAT = 5
"""Of the record: programs of other formats, which other versions left in a cache, are compiled again."""


@contextmanager
def written_whole(directory: Path) -> Iterator[Path]:
    """A new directory that becomes `directory` when all went well, and leaves nothing else.

    Raises:
        InvalidInputError: `directory` is not empty.
    """
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise InvalidInputError(f"{directory} is not an empty directory; give a new one for the program")
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix=f".{directory.name}.") as temporary:
        made = Path(temporary) / "program"
        made.mkdir()
        yield made
        sync_folders(made)  # else a power cut could leave a library under its name that is half there
        if directory.exists():
            directory.rmdir()
        shutil.move(made, directory)


def save_record(directory: Path, scheme: str, facts: Mapping[str, Any]) -> None:
    """Say of which scheme a program is, and what else that scheme wants to know of it, as JSON can hold it."""
    (directory / RECORD).write_text(json.dumps({"format": _FORMAT, "scheme": scheme, **facts}))


def load_record(directory: Path) -> dict[str, Any]:
    """What `save_record` wrote, with the name of the scheme as "scheme".

    Raises:
        CompilationError: there is no record, or it is no JSON.
        UnsupportedProgramError: another version wrote it.
    """
    path = directory / RECORD
    try:
        record = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise CompilationError(f"{path} is not a program's record: {error}; compile the circuit again") from error
    if not isinstance(record, dict) or not isinstance(record.get("scheme"), str) or record.get("format") != _FORMAT:
        found = record.get("format") if isinstance(record, dict) else None
        raise UnsupportedProgramError(
            f"program: {RECORD} has format {found}, this version reads {_FORMAT}; compile the circuit again"
        )
    return record
