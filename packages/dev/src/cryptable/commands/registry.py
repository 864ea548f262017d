"""The registry of subcommands. A new one is a new module in this package, with a function under `@command(...)`."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

Run = Callable[[argparse.Namespace], int]
Configure = Callable[[argparse.ArgumentParser], None]


@dataclass(frozen=True)
class Command:
    """One subcommand: `run` gets the parsed arguments and returns the exit status."""

    name: str
    summary: str
    description: str
    configure: Configure
    run: Run


_commands: dict[str, Command] = {}


def command(name: str, *, summary: str, description: str, configure: Configure) -> Callable[[Run], Run]:
    """Register the decorated function as a subcommand.

    Args:
        name: as typed.
        summary: one line, for `cryptable --help`.
        description: what `cryptable NAME --help` opens with.
        configure: adds the arguments to the subcommand's parser.

    Raises:
        ValueError: a name that is taken.
    """

    def register(run: Run) -> Run:
        if name in _commands:
            raise ValueError(f"two modules register the subcommand {name!r}")
        _commands[name] = Command(name, summary, description, configure, run)
        return run

    return register


@cache
def commands() -> tuple[Command, ...]:
    """All subcommands, by name."""
    package = importlib.import_module("cryptable.commands")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"cryptable.commands.{module.name}")
    return tuple(_commands[name] for name in sorted(_commands))
