"""EvaluationTimes: how long rows of each program have taken lately, from which waits are foreseen."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque

from cryptable_server.executors.executor import Evaluation

_REMEMBERED_ROWS = 32
_MAX_REMEMBERED_PROGRAMS = 1 << 10
_UNKNOWN_SECONDS = 1.0


class EvaluationTimes:
    """Seconds of the last rows of each program. Safe to use from several threads."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._seconds: OrderedDict[str, deque[float]] = OrderedDict()
        self._fastest: dict[str, float] = {}

    def add(self, program: str, seconds: float) -> None:
        """A row has been evaluated with keys that were in memory, or with none: its parts together took that long."""
        with self._mutex:
            remembered = self._seconds.setdefault(program, deque(maxlen=_REMEMBERED_ROWS))
            remembered.append(seconds)
            self._fastest[program] = min(remembered)
            self._seconds.move_to_end(program)
            if len(self._seconds) > _MAX_REMEMBERED_PROGRAMS:
                forgotten, _ = self._seconds.popitem(last=False)
                del self._fastest[forgotten]

    def fastest(self, program: str) -> float:
        """The least that one of the last rows took, 0 where none is known: no row is refused on a guess."""
        return self._fastest.get(program, 0.0)

    def least(self, evaluation: Evaluation, workers: int) -> float:
        """The least that passes until it is answered, by all of so many workers if it has parts."""
        return self.fastest(evaluation.program) * evaluation.rows / min(evaluation.parts, workers)

    def usual(self, program: str) -> float:
        """What a row takes on the average, or a guess where none is known."""
        with self._mutex:
            seconds = self._seconds.get(program)
            return sum(seconds) / len(seconds) if seconds else _UNKNOWN_SECONDS
