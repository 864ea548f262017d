"""What the command line prints: tables and rules on a terminal, plain lines that scripts can cut elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Protocol

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text


class Report(Protocol):
    """What renders itself as tables and lines."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Tables and lines of text."""


def make_console() -> Console:
    """Standard output: without colour where NO_COLOR is set, and without broken lines where it is no terminal."""
    return Console(soft_wrap=not sys.stdout.isatty())


def show(console: Console, report: Report | Table) -> None:
    """Print a report: as it is on a terminal, elsewhere a line for each row, its cells with tabs between."""
    if console.is_terminal:
        console.print(report)
        return
    for line in plain_lines(console, report):
        console.file.write(f"{line}\n")


def plain_lines(console: Console, report: Report | Table) -> Iterator[str]:
    """The lines of a report, without boxes, colours and line breaks."""
    for part in [report] if isinstance(report, Table) else report.__rich_console__(console, console.options):
        if isinstance(part, Table):
            yield from _lines_of_table(part)
        elif isinstance(part, str):
            yield Text.from_markup(part).plain
        else:
            raise TypeError(f"a report holds tables and lines of text, not {type(part).__name__}")


def rule(console: Console, title: str) -> None:
    """A heading."""
    if console.is_terminal:
        console.rule(title)
    else:
        console.print(f"== {title}")


def _lines_of_table(table: Table) -> Iterator[str]:
    if table.title is not None:
        yield str(table.title)
    if table.show_header:
        yield "\t".join(str(column.header) for column in table.columns)
    for cells in zip(*(column.cells for column in table.columns), strict=True):
        yield "\t".join(Text.from_markup(str(cell)).plain for cell in cells)
