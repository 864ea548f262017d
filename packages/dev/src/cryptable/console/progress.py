"""A progress bar on standard error, for work that turns out to take longer than a second."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress

_PATIENCE_SECONDS = 1.0


@contextmanager
def progress_bar(description: str, *, enabled: bool) -> Iterator[Callable[[float], None]]:
    """Yields a function to call with the fraction done; the bar appears once a second has passed, on a terminal."""
    console = Console(stderr=True)
    if not (enabled and console.is_terminal):
        yield _ignore
        return
    bar = Progress(console=console, transient=True)
    task = bar.add_task(description, total=1.0)
    began = time.monotonic()
    started = False

    def report(fraction: float) -> None:
        nonlocal started
        if not started and time.monotonic() - began > _PATIENCE_SECONDS:
            bar.start()
            started = True
        bar.update(task, completed=fraction)

    try:
        yield report
    finally:
        if started:
            bar.stop()


def _ignore(_fraction: float) -> None:
    """Nobody watches."""
