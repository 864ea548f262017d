"""Gathered: what workers have answered to the parts of a row so far, and what that makes of the row."""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptable_server.executors.executor import Evaluated


@dataclass
class _Spent:
    """By one worker on a row."""

    keys: float = 0.0
    wall: float = 0.0
    trim: float = 0.0


@dataclass
class Gathered:
    """Answers by part. Not safe to use from several threads by itself."""

    parts: int
    _answers: dict[int, Evaluated] = field(default_factory=dict)
    _spent: dict[int, _Spent] = field(default_factory=dict)

    def add(self, part: int, worker: int, answer: Evaluated) -> Evaluated | None:
        """A worker has answered a part: the row, where that was the last one."""
        self._answers[part] = answer
        spent = self._spent.setdefault(worker, _Spent())
        spent.keys += answer.key_seconds
        spent.wall += answer.wall_seconds
        spent.trim += answer.trim_seconds
        return self._row() if len(self._answers) == self.parts else None

    @property
    def worker_seconds(self) -> float:
        """Of all workers together, so far."""
        return sum(spent.wall for spent in self._spent.values())

    def _row(self) -> Evaluated:
        answers = [self._answers[part] for part in range(self.parts)]
        longest = max(self._spent.values(), key=lambda spent: spent.keys + spent.wall)
        cached = [answer.keys_cached for answer in answers if answer.keys_cached is not None]
        return Evaluated(
            tuple(tensor for answer in answers for tensor in answer.tensors),
            cpu_seconds=sum(answer.cpu_seconds for answer in answers),
            wall_seconds=longest.wall,
            trim_seconds=longest.trim,
            queue_seconds=min(answer.queue_seconds for answer in answers),
            key_seconds=longest.keys,
            keys_cached=all(cached) if cached else None,
            lookups=max(answer.lookups for answer in answers),
            rows=answers[0].rows,
        )
