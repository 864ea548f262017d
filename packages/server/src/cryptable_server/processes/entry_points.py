"""How the front starts its child processes."""

from __future__ import annotations

import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class EntryPoints:
    """Programs and their first arguments, to which the front adds those that the processes document.

    Only whoever calls `serve` can name others, in code: there is no setting for them.
    """

    worker: tuple[str, ...] = (sys.executable, "-m", "cryptable_server.processes.worker")
    preparation: tuple[str, ...] = (sys.executable, "-m", "cryptable_server.processes.preparation")


ENTRY_POINTS = EntryPoints()


def bulk_program(program: str) -> str:
    """Where the program for rows in bulk of a model with this program is."""
    return f"{program}-bulk"
