"""RowQueue: what waits for workers: bounded, taken from principals in turn, and by the workers that have the keys."""

from __future__ import annotations

import threading
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterator

from cryptable_server.executors.begun_rows import BegunRows
from cryptable_server.executors.evaluation_times import EvaluationTimes
from cryptable_server.executors.job import Job, Share
from cryptable_server.executors.key_affinity import KeyAffinity
from cryptable_server.executors.queue_bounds import QueueBounds
from cryptable_server.processes.key_cache import check_size
from cryptable_server.processes.messages import Note
from cryptable_server.settings.worker_config import WorkerConfig

_LOOK_AGAIN_SECONDS = 0.25
"""For an idle worker, while rows wait for another one: by then it may be time to share them."""


class RowQueue:
    """One queue for all workers. Safe to use from several threads.

    A worker takes a row when it is free, not before, so that no row waits behind a slow one while a worker is idle.
    """

    def __init__(
        self, config: WorkerConfig, times: EvaluationTimes, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._times = times
        self._workers = config.count
        self._key_memory_bytes = config.key_memory_bytes
        self._condition = threading.Condition()
        self._notes: list[deque[Note]] = [deque() for _ in range(config.count)]
        self._principals: OrderedDict[str, OrderedDict[str, deque[Job]]] = OrderedDict()
        self._begun = BegunRows()
        self._bounds = QueueBounds(config, times)
        self._affinity = KeyAffinity(config.count, config.key_memory_bytes, clock)
        self._ahead: Counter[str] = Counter()
        """How many turns principals have had before those who wait with them."""
        self._idle: set[int] = set()
        self._up: set[int] = set()
        self._closed = False

    @property
    def rows(self) -> int:
        """Rows that wait or are evaluated."""
        return self._bounds.total

    def put(self, job: Job) -> None:
        """Add a row; counted until `finished`.

        Raises:
            OverloadedError, TooLateError, KeysTooLargeError: see Executor.submit.
        """
        keys = job.evaluation.keys
        if keys is not None:
            check_size(keys.memory_bytes, self._key_memory_bytes)
        with self._condition:
            if job.evaluation.deadline is not None:
                job.check_deadline(self._least_seconds(job))
            self._bounds.enter(job)
            self._lane(job).append(job)
            self._condition.notify_all()

    def put_back(self, share: Share) -> None:
        """Add a row, or a part of one, that was taken, and whose worker was lost for no fault of it, before all others.

        A row is before those of its lane.
        """
        with self._condition:
            if share.part is None:
                self._lane(share.job).appendleft(share.job)
            else:
                self._begun.put_back(share)
            self._condition.notify_all()

    def tell(self, note: Note, worker: int | None = None) -> None:
        """Have all workers, or one, take a note before any row."""
        with self._condition:
            for index, notes in enumerate(self._notes):
                if worker in (None, index):
                    notes.append(note)
            self._condition.notify_all()

    def finished(self, job: Job) -> None:
        """A row has been answered, or its caller has gone; it leaves the queue, if its turn has not come."""
        with self._condition:
            self._bounds.leave(job)
            self._begun.discard(job)
            lanes = self._principals.get(job.evaluation.principal, OrderedDict())
            jobs = lanes.get(job.lane, deque())
            if job in jobs:
                jobs.remove(job)
                self._tidy(job)

    def take(self, worker: int) -> Share | Note | None:
        """What `worker` is to do next, waited for; None when the queue has been closed and everything was taken."""
        with self._condition:
            while (work := self.ask(worker)) is None and not self._closed:
                self._condition.wait(_LOOK_AGAIN_SECONDS if self._principals or self._begun else None)
            return work

    def ask(self, worker: int) -> Share | Note | None:
        """What `worker` is to do next; where that is None, it is idle from now on, until it is given something."""
        with self._condition:
            self._idle.add(worker)
            work = self._notes[worker].popleft() if self._notes[worker] else self._next_for(worker)
            if work is not None:
                self._idle.discard(worker)
            return work

    def forget(self, name: str, worker: int | None = None) -> None:
        """Keys are not in memory any more, of all workers or one."""
        with self._condition:
            self._affinity.drop(name, None if worker is None else {worker})
            self._condition.notify_all()

    def emptied(self, worker: int) -> None:
        """A worker is not up, and the one that takes its place has no keys in memory."""
        with self._condition:
            self._up.discard(worker)
            self._affinity.clear(worker)
            self._notes[worker].clear()
            self._condition.notify_all()

    def worker_up(self, worker: int) -> None:
        """A worker is up and will take rows."""
        with self._condition:
            self._up.add(worker)

    def abandoned(self) -> list[Job]:
        """The rows that wait, where no worker is up that could take them; they leave the queue."""
        with self._condition:
            if self._up:
                return []
            jobs = [*self._begun.clear(), *(job for lane in self._in_turn() for job in lane)]
            self._principals.clear()
            return jobs

    def close(self) -> None:
        """Let `take` return None once everything is taken, by whichever worker."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()

    def _next_for(self, worker: int) -> Share | None:
        """Rows that were begun come first, to be answered soon, but where their keys are not, last."""
        return (
            self._part_for(worker, self._affinity.has)
            or self._row_for(worker)
            or self._part_for(worker, self._affinity.has_room)
        )

    def _part_for(self, worker: int, fits: Callable[[int, Job], bool]) -> Share | None:
        share = self._begun.take(lambda job: self._closed or fits(worker, job))
        if share is not None and share.job.evaluation.keys is not None:
            self._affinity.used(worker, share.job.evaluation.keys)
        return share

    def _row_for(self, worker: int) -> Share | None:
        passed_over: list[Job] = []
        for jobs in self._in_turn():
            if self._closed or self._affinity.should_take(worker, jobs, self._idle):
                for other in passed_over:
                    other.passed_over += 1
                return self._share(self._taken(worker, jobs.popleft()))
            passed_over.append(jobs[0])
        return None

    def _share(self, job: Job) -> Share:
        """All of a row, or its first part where no other row waits: a worker that gets free then takes the next part.

        Where others wait, whoever gets free takes one of those: parts would cost a little, and gain nothing.
        """
        if job.evaluation.parts == 1 or self._workers == 1 or self._principals:
            return Share(job)
        self._condition.notify_all()
        return self._begun.begin(job)

    def _in_turn(self) -> Iterator[deque[Job]]:
        for principal in sorted(self._principals, key=self._ahead.__contains__) if self._ahead else self._principals:
            yield from self._principals[principal].values()

    def _taken(self, worker: int, job: Job) -> Job:
        principal = job.evaluation.principal
        self._count_turns(principal, job.evaluation.rows)
        self._tidy(job)
        lanes = self._principals.get(principal)
        if lanes is not None:
            self._principals.move_to_end(principal)  # behind all other principals
            if job.lane in lanes:
                lanes.move_to_end(job.lane)
        if job.evaluation.keys is not None:
            self._affinity.used(worker, job.evaluation.keys)
        return job

    def _count_turns(self, principal: str, rows: int) -> None:
        """Rows that travel together are so many turns: those after the first are passed over, while others wait."""
        if len(self._principals) == 1:
            self._ahead.clear()
        elif self._ahead or rows > 1:
            for other in list(self._principals):
                if other == principal:
                    break
                if self._ahead[other]:
                    self._ahead[other] -= 1
                    self._principals.move_to_end(other)
            self._ahead[principal] += rows - 1
            self._ahead = +self._ahead  # without those who are no longer ahead

    def _lane(self, job: Job) -> deque[Job]:
        return self._principals.setdefault(job.evaluation.principal, OrderedDict()).setdefault(job.lane, deque())

    def _tidy(self, job: Job) -> None:
        principal = job.evaluation.principal
        lanes = self._principals[principal]
        if not lanes[job.lane]:
            del lanes[job.lane]
        if not lanes:
            del self._principals[principal]

    def _least_seconds(self, job: Job) -> float:
        """What passes at least until a row is answered: that those before it in its lane are, and itself."""
        before = self._principals.get(job.evaluation.principal, OrderedDict()).get(job.lane, ())
        ahead = sum(self._times.fastest(other.evaluation.program) * other.evaluation.rows for other in before)
        return ahead / self._workers + self._times.least(job.evaluation, self._workers)
