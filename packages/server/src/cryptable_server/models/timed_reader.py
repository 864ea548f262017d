"""TimedReader: looks at files one after the other, where one that hangs keeps neither the others nor the process."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Generic, TypeVar

Result = TypeVar("Result")


class TimedReader:
    """Runs what reads files, and waits for each file so long and no longer. Safe to use from several threads.

    A thread that waits for a file system cannot be ended. It is left alone, and the file not touched again before it
    returns; the process does not wait for it when it ends.
    """

    def __init__(self, seconds: float) -> None:
        """Wait for each file at most so many seconds."""
        self._seconds = seconds
        self._mutex = threading.Lock()
        self._stuck: dict[Path, threading.Thread] = {}

    def each(self, reads: Mapping[Path, Callable[[], Result]]) -> dict[Path, Result | OSError]:
        """What each of `reads` returns, or the OSError that it raises; a TimeoutError where it does not end in time.

        Raises:
            Exception: what else one raises.
        """
        outcomes: dict[Path, Result | OSError] = {}
        left = dict(reads)
        for path in reads:
            if self._is_stuck(path):
                outcomes[path] = self._hangs()
                del left[path]
        while left:
            one_after_the_other = _Pass(dict(left))
            try:
                for path in tuple(left):
                    outcome = one_after_the_other.next(self._seconds)
                    del left[path]
                    if outcome is None:
                        outcomes[path] = self._hangs()
                        with self._mutex:
                            self._stuck[path] = one_after_the_other.thread
                        break  # the rest in another thread
                    outcomes[path] = outcome()
            finally:
                one_after_the_other.leave()
        return {path: outcomes[path] for path in reads}

    def one(self, path: Path, read: Callable[[], Result]) -> Result:
        """What `read` returns; raises what it does, and TimeoutError where it does not end in time."""
        outcome = self.each({path: read})[path]
        if isinstance(outcome, OSError):
            raise outcome
        return outcome

    def recovered(self) -> bool:
        """Whether a file that hung has been read to its end since this was asked last."""
        with self._mutex:
            back = [path for path, thread in self._stuck.items() if not thread.is_alive()]
            for path in back:
                del self._stuck[path]
        return bool(back)

    def _is_stuck(self, path: Path) -> bool:
        with self._mutex:
            thread = self._stuck.get(path)
        return thread is not None and thread.is_alive()

    def _hangs(self) -> TimeoutError:
        return TimeoutError(None, f"its file system does not answer within {self._seconds:g} s")


class _Pass(Generic[Result]):
    """One thread that reads files in order until one of them hangs."""

    def __init__(self, reads: Mapping[Path, Callable[[], Result]]) -> None:
        self._reads = reads
        self._left = threading.Event()
        self._outcomes: queue.SimpleQueue[Callable[[], Result | OSError]] = queue.SimpleQueue()
        self.thread = threading.Thread(target=self._run, name="reading", daemon=True)
        self.thread.start()

    def next(self, seconds: float) -> Callable[[], Result | OSError] | None:
        """What gives the next outcome or raises its error; None: it does not come."""
        try:
            return self._outcomes.get(timeout=seconds)
        except queue.Empty:
            return None

    def leave(self) -> None:
        """Begin nothing more."""
        self._left.set()

    def _run(self) -> None:
        for read in self._reads.values():
            if self._left.is_set():
                return
            self._outcomes.put(_outcome(read))


def _outcome(read: Callable[[], Result]) -> Callable[[], Result | OSError]:
    try:
        result = read()
    except OSError as error:
        kept = error  # `error` is gone when this block is left
        return lambda: kept
    except Exception as error:  # noqa: BLE001 - it is raised in the thread that waits
        return _raising(error)
    return lambda: result


def _raising(error: Exception) -> Callable[[], Result | OSError]:
    def raise_it() -> Result | OSError:
        raise error

    return raise_it
