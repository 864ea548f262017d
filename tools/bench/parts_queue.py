"""When a row in parts should be split: latencies by load, by the server's own queue in simulated time.

    python tools/bench/parts_queue.py [--rows 4000] [--part-costs 0.02] [--keys-cost 0.5]

Rows come at random times, of clients with keys of their own, to two workers, each of which takes a second for a row
that it has the keys of. A row taken in two parts costs `part-costs` of a row more; missing keys, `keys-cost`.
Cells are the mean latency and its 95th percentile, in rows' own time, and what a row took of all workers.
`whole`: no row is split. `idle`: where another worker has nothing to do when a row is taken. `nothing waits`: where no
other row waits, as the server does it. `always`: every row.
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import random
import statistics
from typing import NamedTuple

from cryptable_server.executors.evaluation_times import EvaluationTimes
from cryptable_server.executors.executor import Evaluation, KeysReference
from cryptable_server.executors.job import Job, Share
from cryptable_server.executors.row_queue import RowQueue
from cryptable_server.settings.worker_config import WorkerConfig

WORKERS, PARTS, LOOK_SECONDS = 2, 2, 0.25
LOADS = (0.05, 0.3, 0.5, 0.7, 0.85, 0.95)


class Clock:
    """Time as the simulation has it."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Seconds."""
        return self.now


class WholeQueue(RowQueue):
    """Splits no row."""

    def _share(self, job: Job) -> Share:
        return Share(job)


class IdleQueue(RowQueue):
    """Splits rows where another worker has nothing to do."""

    def _share(self, job: Job) -> Share:
        return self._begun.begin(job) if len(self._idle) > 1 else Share(job)


class AlwaysQueue(RowQueue):
    """Splits every row."""

    def _share(self, job: Job) -> Share:
        return self._begun.begin(job)


QUEUES = {"whole": WholeQueue, "idle": IdleQueue, "nothing waits": RowQueue, "always": AlwaysQueue}


class Found(NamedTuple):
    """Of all rows."""

    mean: float
    high: float
    """The 95th percentile."""
    work: float
    """Of workers, a row."""


class Simulation:
    """One queue, its workers, and rows that come."""

    def __init__(self, kind: type[RowQueue], load: float, clients: int, asked: argparse.Namespace) -> None:
        self._asked, self._clock, dice = asked, Clock(), random.Random(0)
        config = WorkerConfig(count=WORKERS, threads=1, key_memory_bytes=1000, queue_rows=1 << 30)
        self._queue = kind(config, EvaluationTimes(), self._clock)
        self._numbers = itertools.count()
        self._events: list[tuple[float, int, str, int]] = []
        at = 0.0
        for _ in range(asked.rows):
            at += dice.expovariate(load * WORKERS)
            self._at(at, "row", dice.randrange(clients))
        self._busy: dict[int, Share] = {}
        self._left: dict[Job, int] = {}
        self._keys: list[set[str]] = [set() for _ in range(WORKERS)]
        self._work = 0.0
        self._latencies: list[float] = []

    def _at(self, seconds: float, what: str, about: int) -> None:
        heapq.heappush(self._events, (seconds, next(self._numbers), what, about))

    def run(self) -> Found:
        """Until all rows are answered."""
        while self._events:
            self._clock.now, _, what, about = heapq.heappop(self._events)
            if what == "row":
                keys = KeysReference(b"%032d" % about, "all", "", 1)
                job = Job(Evaluation("program", b"", keys, parts=PARTS), self._clock)
                self._left[job] = PARTS
                self._queue.put(job)
            elif what == "done":
                self._done(self._busy.pop(about))
            for worker in (*range(WORKERS), *range(WORKERS)):  # the second time for what the first one has begun
                if worker not in self._busy:
                    self._ask(worker)
        high = sorted(self._latencies)[int(0.95 * len(self._latencies))]
        return Found(statistics.fmean(self._latencies), high, self._work / len(self._latencies))

    def _done(self, share: Share) -> None:
        job = share.job
        self._left[job] -= PARTS if share.part is None else 1
        if not self._left[job]:
            self._queue.finished(job)
            self._latencies.append(job.waited_seconds)
            del self._left[job]

    def _ask(self, worker: int) -> None:
        share = self._queue.ask(worker)
        if not isinstance(share, Share):
            if self._left and self._busy:
                self._at(self._clock.now + LOOK_SECONDS, "look", worker)
            return
        seconds = 1.0 if share.part is None else 1 / PARTS + (self._asked.part_costs if share.part else 0.0)
        keys = share.job.evaluation.keys
        if keys is not None and keys.name not in self._keys[worker]:
            self._keys[worker].add(keys.name)
            seconds += self._asked.keys_cost
        self._work += seconds
        self._busy[worker] = share
        self._at(self._clock.now + seconds, "done", worker)


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--part-costs", type=float, default=0.02)
    parser.add_argument("--keys-cost", type=float, default=0.5)
    asked = parser.parse_args()
    print(f"| use of workers | {' | '.join(QUEUES)} |\n|---|{'---|' * len(QUEUES)}")
    for load in LOADS:
        found = [Simulation(kind, load, asked.clients, asked).run() for kind in QUEUES.values()]
        cells = (f"{each.mean:.2f}, {each.high:.2f}; {each.work:.3f}" for each in found)
        print(f"| {load} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
