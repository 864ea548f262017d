"""BegunRows: rows of which a worker has taken a part, and others wait. They come before rows that nobody has begun."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable

from cryptable_server.executors.job import Job, Share


class BegunRows:
    """In the order in which they were begun. Not safe to use from several threads by itself."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[Job, deque[int]] = OrderedDict()

    def __bool__(self) -> bool:
        """Whether any part waits."""
        return bool(self._waiting)

    def begin(self, job: Job) -> Share:
        """The first part of a row, whose others wait from now on."""
        self._waiting[job] = deque(range(job.evaluation.parts))
        return self._taken(job)

    def take(self, fits: Callable[[Job], bool]) -> Share | None:
        """The next part of the first row that fits."""
        job = next(filter(fits, self._waiting), None)
        return None if job is None else self._taken(job)

    def put_back(self, share: Share) -> None:
        """A part was taken, and is to be taken again, before all others."""
        if share.part is None or share.job.done():
            return
        self._waiting.setdefault(share.job, deque()).appendleft(share.part)
        self._waiting.move_to_end(share.job, last=False)

    def discard(self, job: Job) -> None:
        """Nobody waits for a row any more."""
        self._waiting.pop(job, None)

    def clear(self) -> list[Job]:
        """All of them, which leave."""
        jobs = list(self._waiting)
        self._waiting.clear()
        return jobs

    def _taken(self, job: Job) -> Share:
        parts = self._waiting[job]
        share = Share(job, parts.popleft())
        if not parts:
            del self._waiting[job]
        return share
