"""A progress bar on standard error, for work that turns out to take longer than a second."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

_PATIENCE_SECONDS = 1.0


@contextmanager
def progress_bar(description: str, *, enabled: bool) -> Iterator[Callable[[float], None]]:
    """Yields a function to call with the fraction done; the bar appears once a second has passed, on a terminal.

    It does so by itself, whether or not anything has been told by then, and counts the seconds.
    """
    console = Console(stderr=True)
    if not (enabled and console.is_terminal):
        yield _ignore
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    bar = Progress(*columns, console=console, transient=True)
    task = bar.add_task(description, total=1.0)
    start = threading.Timer(_PATIENCE_SECONDS, bar.start)
    start.daemon = True
    start.start()
    try:
        yield lambda fraction: bar.update(task, completed=fraction)
    finally:
        start.cancel()
        start.join()
        bar.stop()


def _ignore(_fraction: float) -> None:
    """Nobody watches."""
