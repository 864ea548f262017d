"""The page of all commands and options, from the programs' own `--help`."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from importlib import import_module
from unittest import mock

PROGRAMS = (
    ("cryptable", "cryptable.__main__"),
    ("cryptable-client", "cryptable_client.__main__"),
    ("cryptable-server", "cryptable_server.commands.command_line"),
)


class _ParserMadeError(Exception):
    """Carries the parser of a program out of its main function, before it reads any argument."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self.parser = parser


def command_line_page() -> str:
    """The page, Markdown."""
    lines = ["# Command lines", "", "What `--help` says, of each program and each of its commands.", ""]
    with mock.patch.dict(os.environ, {"COLUMNS": "100", "HOME": "~", "NO_COLOR": "1"}):
        for program, module in PROGRAMS:
            for depth, parser in _parsers(_parser_of(module), 0):
                title = parser.prog if depth else program
                lines += [f"{'#' * (2 + bool(depth))} {title}", "", "```text", parser.format_help().rstrip(), "```", ""]
    return "\n".join(lines)


def _parser_of(module: str) -> argparse.ArgumentParser:
    def reveal(parser: argparse.ArgumentParser, *_args: object, **_options: object) -> None:
        raise _ParserMadeError(parser)

    with mock.patch.object(argparse.ArgumentParser, "parse_known_args", reveal):
        try:
            import_module(module).main([])
        except _ParserMadeError as made:
            return made.parser
    raise RuntimeError(f"{module}.main made no parser")


def _parsers(parser: argparse.ArgumentParser, depth: int) -> Iterator[tuple[int, argparse.ArgumentParser]]:
    yield depth, parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for each in action.choices.values():
                yield from _parsers(each, depth + 1)
