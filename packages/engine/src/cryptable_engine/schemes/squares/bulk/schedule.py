"""Schedule: in which order columns are made, and when each is dropped, so that few are in memory at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from heapq import heappop, heappush

from cryptable_engine.schemes.squares.bulk.columns import Columns, Step


@dataclass(frozen=True, eq=False)
class Schedule:
    """Of columns whose sizes are known: those of the input are made when a step first reads them, and dropped likewise.

    What outputs read is added to them as soon as it is there, and so is not kept for them.

    Args:
        columns: of a plan.
        sizes: of each column, in any unit; those of steps behind those of the input.
    """

    columns: Columns
    sizes: Sequence[int]

    @cached_property
    def reads(self) -> tuple[tuple[int, ...], ...]:
        """Of each step, which columns its sums read, once each; none of a network's first squares."""
        first = frozenset(self.columns.first_squares)
        return tuple(() if index in first else _reads(step) for index, step in enumerate(self.columns.steps))

    @cached_property
    def uses(self) -> Counter[int]:
        """Of each column, how many steps read it."""
        return Counter(column for read in self.reads for column in read)

    @cached_property
    def order(self) -> tuple[int, ...]:
        """Steps, each behind those that it reads.

        They stand as they were, but that a step which frees as much as it takes is done once it can be: products of
        bits, say, behind the last of their bits, and not behind those of all other thermometers.
        """
        inputs, left = self.columns.inputs, self.uses.copy()
        waiting = [sum(column >= inputs for column in read) for read in self.reads]
        readers: dict[int, list[int]] = {}
        for step, read in enumerate(self.reads):
            for column in read:
                readers.setdefault(column, []).append(step)
        is_done = [False] * len(self.reads)
        found: list[int] = []
        early: list[tuple[int, int]] = []

        def growth(step: int) -> int:
            last = (column for column in self.reads[step] if left[column] == 1)
            freed = sum(self.sizes[column] for column in last if column >= inputs or self.uses[column] > 1)
            return (self.sizes[inputs + step] if left[inputs + step] else 0) - freed

        def do(step: int) -> None:
            is_done[step] = True
            found.append(step)
            left.subtract(self.reads[step])
            look_at = []
            for reader in readers.get(inputs + step, ()):
                waiting[reader] -= 1
                look_at.append(reader)
            for column in self.reads[step]:
                if column >= inputs and left[column] == 1:  # whoever reads it last frees it
                    look_at += (reader for reader in readers[column] if not is_done[reader])
            for reader in look_at:
                if not waiting[reader]:
                    heappush(early, (growth(reader), reader))

        for step in range(len(self.reads)):
            if not is_done[step]:
                do(step)
            while early:
                _, candidate = heappop(early)
                if not is_done[candidate] and growth(candidate) <= 0:
                    do(candidate)
        return tuple(found)

    @cached_property
    def most_held(self) -> Counter[int]:
        """Of each size, how many columns of it are held at most: what was one's memory is used by its like alone."""
        inputs, left = self.columns.inputs, self.uses.copy()
        held, most, seen = Counter[int](), Counter[int](), set[int]()
        for step in self.order:
            made = [column for column in self.reads[step] if column < inputs and column not in seen]
            seen.update(made)
            for column in (*made, inputs + step):
                size = self.sizes[column]
                held[size] += 1
                most[size] = max(most[size], held[size])
            left.subtract(self.reads[step])
            for column in (*self.reads[step], inputs + step):
                held[self.sizes[column]] -= not left[column]
        return most


def _reads(step: Step) -> tuple[int, ...]:
    return tuple(sorted({column for each in step for column, _ in each.weights}))
