"""Progress bars with bytes or rows and time left, shown where somebody watches a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def wanted(progress: bool | None) -> bool:
    """Whether to show bars: as asked, by default where standard error is a terminal."""
    return sys.stderr.isatty() if progress is None else progress


@contextmanager
def byte_bar(what: str, *, shown: bool, start: int = 0) -> Iterator[Callable[[int, int], None]]:
    """A bar, as the function to be called with the bytes done and in all; `start` bytes were done before."""
    with _bar(what, "B", shown=shown, start=start) as update:
        yield update


@contextmanager
def row_bar(*, shown: bool, start: int = 0) -> Iterator[Callable[[int, int], None]]:
    """The same of rows that are evaluated."""
    with _bar("evaluating", "rows", shown=shown, start=start) as update:
        yield update


@contextmanager
def _bar(what: str, unit: str, *, shown: bool, start: int) -> Iterator[Callable[[int, int], None]]:
    if not shown:
        yield _nothing
        return
    from tqdm import tqdm

    with tqdm(desc=what, unit=unit, unit_scale=True, leave=False, file=sys.stderr, initial=start) as bar:

        def update(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield update


def _nothing(_done: int, _total: int) -> None:
    """What a bar does that is not shown."""
