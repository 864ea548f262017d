"""RowQueue beside a reference that keeps one flat list of rows and reckons each decision anew from what is promised.

Promised is: notes first; principals in turn, lanes of a principal in turn, a lane in its order; keys stay with the
worker that has them, unless work waits for it and another has room; bounds on what waits or is evaluated; deadlines. A
row that can be evaluated in parts is, where no other waits; parts of rows that were begun come before other rows, where
their keys are, and after them where there is room for those.
"""

import itertools
from random import Random
from types import SimpleNamespace

import pytest
from cryptable_server.errors import KeysTooLargeError, OverloadedError, TooLateError
from cryptable_server.executors.evaluation_times import EvaluationTimes
from cryptable_server.executors.executor import Evaluation, KeysReference
from cryptable_server.executors.job import Job, Share
from cryptable_server.executors.row_queue import RowQueue
from cryptable_server.processes.messages import Load
from cryptable_server.settings.worker_config import WorkerConfig
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from waiting import Clock

WORKERS, BUDGET = 3, 20
RECENT_SECONDS, PATIENCE_SECONDS, MANY_ROWS, PASSED_OVER = 60.0, 0.5, 2, 2
SECONDS = {"quick": 0.25, "slow": 4.0}
BOUNDS = st.sampled_from([None, None, 2, 6])
OWNERS, KEYS = "aaabc", [None, None, ("k", 8), ("k", 8), ("k", 8), ("l", 8), ("large", 20)]
PATIENCE = [None] * 9 + [-1.0, 0.125, 2.0, 8.0, 100.0]
ANY = lambda *_: True  # noqa: E731
EVENTS = {
    "rows_come": 4,
    "workers_ask": 6,
    "rows_are_answered": 3,
    "time_passes": 3,
    "caller_goes": 1,
    "worker_ends": 1,
    "worker_comes_up": 1,
    "machine_is_lost": 1,
    "row_fails": 1,
    "nobody_is_up": 1,
    "forget": 1,
    "tell": 1,
    "keys_come_that_fit_no_worker": 1,
}
"""How often each of them happens."""


class Memory:
    """Names in a worker's memory, as one list, the least recently used first."""

    def __init__(self):
        self.held = []  # of [name, size, used_at]

    def has(self, name):
        return any(held[0] == name for held in self.held)

    def drop(self, name):
        self.held = [held for held in self.held if held[0] != name]

    def use(self, name, size, now):
        if not self.has(name):
            while sum(held[1] for held in self.held) + size > BUDGET:
                del self.held[0]
        self.drop(name)
        self.held.append([name, size, now])

    def recent(self, now):
        return sum(size for _, size, used_at in self.held if used_at >= now - RECENT_SECONDS)


class Queues(RuleBasedStateMachine):
    """Three workers that ask, are given rows, answer them, or are lost."""

    @initialize(rows=st.sampled_from([1, 12, 12]), of_principal=BOUNDS, of_model=BOUNDS)
    def open(self, rows, of_principal, of_model):
        bounds = {"queue_rows": rows, "queue_rows_per_principal": of_principal, "queue_rows_per_model": of_model}
        times = EvaluationTimes()
        for program, seconds in SECONDS.items():
            times.add(program, seconds)
        self.clock = Clock()
        config = WorkerConfig(count=WORKERS, threads=1, key_memory_bytes=BUDGET, **bounds)
        self.queue = RowQueue(config, times, self.clock)
        self.bounds = rows, of_principal, of_model
        self.turns = itertools.count()
        self.waiting = []  # rows in the order in which they came, those that were put back before their lane's
        self.counted = []  # rows that are waiting or evaluated
        self.turn_of_principal, self.turn_of_lane = {}, {}
        self.memories = [Memory() for _ in range(WORKERS)]
        self.notes = [[] for _ in range(WORKERS)]
        self.idle, self.up, self.busy = set(), set(), {}
        self.begun = []  # rows with parts that nobody has taken, in the order in which they were begun
        for worker in range(WORKERS):
            self.begin(worker)

    # What is promised:

    def lane(self, row):
        return [other for other in self.waiting if other.lane == row.lane]

    def join(self, row, place):
        """A principal or lane that comes, or comes back, is behind all others."""
        self.waiting.insert(place, row)
        self.turn_of_principal.setdefault(row.lane[0], next(self.turns))
        self.turn_of_lane.setdefault(row.lane, next(self.turns))

    def leave(self, row):
        self.waiting.remove(row)
        if not self.lane(row):
            del self.turn_of_lane[row.lane]
        if not any(other.lane[0] == row.lane[0] for other in self.waiting):
            del self.turn_of_principal[row.lane[0]]

    def heads(self):
        """The first row of each lane, in turn."""
        lanes = sorted(self.turn_of_lane, key=lambda lane: (self.turn_of_principal[lane[0]], self.turn_of_lane[lane]))
        return [next(row for row in self.waiting if row.lane == lane) for lane in lanes]

    def next_part(self, worker, fits):
        """What a worker is to take of rows that were begun, where `fits` says so."""
        row = next((row for row in self.begun if row.keys is None or fits(self.memories[worker], row)), None)
        if row is None:
            return None
        share = Share(row.job, row.left.pop(0))
        if not row.left:
            self.begun.remove(row)
        self.give(worker, row, share.part)
        return share

    def give(self, worker, row, part):
        self.busy[worker] = row, part
        if row.keys is not None:
            self.memories[worker].use(row.keys, row.size, self.clock())

    def may_take(self, worker, row):
        if row.keys is None or self.memories[worker].has(row.keys):
            return True
        holders = {other for other in range(WORKERS) if self.memories[other].has(row.keys)}
        recent = [memory.recent(self.clock()) for memory in self.memories]
        if not holders:
            return all(recent[worker] <= recent[other] for other in self.idle)
        work_waits = (
            len(self.lane(row)) >= MANY_ROWS
            or row.passed_over >= PASSED_OVER
            or self.clock() - row.since >= PATIENCE_SECONDS
        )
        return not holders & self.idle and work_waits and recent[worker] + row.size <= BUDGET

    # What happens:

    @rule(seed=st.integers(0, 1 << 32), events=st.integers(1, 12))
    def something_happens(self, seed, events):
        """One rule for all, by dice: what hypothesis draws by itself has little variety, and rarely gets far."""
        dice = Random(seed)
        for what in dice.choices(list(EVENTS), list(EVENTS.values()), k=events):
            getattr(self, what)(dice)
            self.rows_are_counted()

    def time_passes(self, dice):
        self.clock.pass_by(dice.choice([0.125, 0.125, 0.5, 30.0, 61.0]))

    def rows_come(self, dice):
        for _ in range(dice.randint(1, 5)):
            self.put(
                dice.choice(OWNERS),
                dice.choice("12"),
                dice.choice(KEYS),
                dice.choice("mn"),
                dice.choice(list(SECONDS)),
                dice.choice([None] * 4 + [1]),
                dice.choice(PATIENCE),
                dice.choice([1, 2, 2, 3, 5]),
            )

    def put(self, owner, call, keys, model, program, own_bound, patience, parts):
        name, size = (None, 0) if keys is None else keys
        reference = None if keys is None else KeysReference(name.encode().ljust(32), owner, "", size)
        deadline = None if patience is None else self.clock() + patience
        fields = {"call": call, "model": model, "deadline": deadline, "model_queue_rows": own_bound, "parts": parts}
        job = Job(Evaluation(program, b"", reference, owner, **fields), self.clock)
        lane = (owner, call) if keys is None else (owner, reference.name)
        row = SimpleNamespace(job=job, lane=lane, keys=reference and reference.name, size=size, model=model)
        row.program, row.since, row.passed_over = program, self.clock(), 0
        row.parts, row.left, row.answered = parts, [], 0

        before = sum(SECONDS[other.program] for other in self.lane(row)) / WORKERS
        late = patience is not None and (patience <= 0 or patience < before + SECONDS[program] / min(parts, WORKERS))
        most = [bound if bound is None else bound + WORKERS for bound in self.bounds]
        if own_bound is not None:
            most[2] = own_bound + WORKERS
        there = [
            len(self.counted),
            sum(other.lane[0] == owner for other in self.counted),
            sum(other.model == model for other in self.counted),
        ]
        full = any(bound is not None and count >= bound for count, bound in zip(there, most, strict=True))
        if late or full:
            with pytest.raises(TooLateError if late else OverloadedError):
                self.queue.put(job)
            return
        self.queue.put(job)
        self.counted.append(row)
        self.join(row, len(self.waiting))

    def workers_ask(self, dice):
        for worker in dice.choices(range(WORKERS), k=dice.randint(1, 4)):
            self.ask(worker)

    def rows_are_answered(self, dice):
        for worker in dice.sample(range(WORKERS), dice.randint(1, 2)):
            if worker in self.busy:
                row, part = self.busy.pop(worker)
                row.answered += row.parts if part is None else 1
                if row.answered == row.parts and row in self.counted:
                    self.queue.finished(row.job)
                    self.counted.remove(row)

    def row_fails(self, dice):
        """By one of its parts; others may wait, or be evaluated."""
        rows = [row for row, part in self.busy.values() if part is not None and row in self.counted]
        if rows:
            self.refuse(dice.choice(rows))

    def refuse(self, row):
        row.job.refuse(TooLateError(""))
        self.queue.finished(row.job)
        self.counted.remove(row)
        self.begun = [other for other in self.begun if other is not row]

    def keys_come_that_fit_no_worker(self, _):
        reference = KeysReference(bytes(32), "a", "", BUDGET + 1)
        with pytest.raises(KeysTooLargeError):
            self.queue.put(Job(Evaluation("quick", b"", reference, "a"), self.clock))

    def tell(self, dice):
        worker = dice.choice([None, *range(WORKERS)])
        note = Load(str(next(self.turns)))
        self.queue.tell(note, worker)
        for each in range(WORKERS) if worker is None else [worker]:
            self.notes[each].append(note)

    def ask(self, worker):
        if worker in self.busy:
            return
        self.idle.add(worker)
        found, expected = self.queue.ask(worker), None
        if self.notes[worker]:
            expected = self.notes[worker].pop(0)
            assert found is expected
        else:
            expected = (
                self.next_part(worker, lambda memory, row: memory.has(row.keys))
                or self.next_row(worker, self.may_take)
                or self.next_part(worker, lambda memory, row: memory.recent(self.clock()) + row.size <= BUDGET)
            )
            assert found == expected
        if expected is not None:
            self.idle.discard(worker)

    def next_row(self, worker, may_take):
        passed_over = []
        for row in self.heads():
            if may_take(worker, row):
                return self.take(worker, row, passed_over)
            passed_over.append(row)
        return None

    def take(self, worker, row, passed_over):
        for other in passed_over:
            other.passed_over += 1
        self.leave(row)
        if row.lane[0] in self.turn_of_principal:
            self.turn_of_principal[row.lane[0]] = next(self.turns)
        if row.lane in self.turn_of_lane:
            self.turn_of_lane[row.lane] = next(self.turns)
        part = None
        if row.parts > 1 and not self.waiting:
            part, *row.left = range(row.parts)
            self.begun.append(row)
        self.give(worker, row, part)
        return Share(row.job, part)

    def machine_is_lost(self, dice):
        if not self.busy:
            return
        worker = dice.choice(sorted(self.busy))
        row, part = self.busy.pop(worker)
        self.end(worker)
        self.queue.put_back(Share(row.job, part))
        if part is not None:
            if row in self.counted:  # else it has failed meanwhile
                row.left.insert(0, part)
                self.begun = [row, *(other for other in self.begun if other is not row)]
            return
        places = [place for place, other in enumerate(self.waiting) if other.lane == row.lane]
        self.join(row, places[0] if places else len(self.waiting))

    def caller_goes(self, dice):
        if not self.waiting:
            return
        row = dice.choice(self.waiting)
        self.queue.finished(row.job)
        self.counted.remove(row)
        self.leave(row)

    def forget(self, dice):
        name, owner = dice.choice(["k", "l", "large"]), dice.choice(OWNERS)
        worker = dice.choice([None, *range(WORKERS)])
        reference = KeysReference(name.encode().ljust(32), owner, "", 0)
        self.queue.forget(reference.name, worker)
        for each, memory in enumerate(self.memories):
            if worker in (None, each):
                memory.drop(reference.name)

    def worker_ends(self, dice):
        self.end(dice.randrange(WORKERS))

    def end(self, worker):
        self.queue.emptied(worker)
        self.memories[worker] = Memory()
        self.notes[worker] = []
        self.up.discard(worker)

    def worker_comes_up(self, dice):
        self.begin(dice.randrange(WORKERS))

    def begin(self, worker):
        self.queue.worker_up(worker)
        self.up.add(worker)

    def nobody_is_up(self, dice):
        if dice.random() < 0.5:
            for worker in range(WORKERS):
                self.end(worker)
        abandoned = self.queue.abandoned()
        if self.up:
            assert abandoned == []
            return
        lanes = [self.lane(row) for row in self.heads()]
        assert abandoned == [row.job for row in self.begun + list(itertools.chain(*lanes))]
        for row in list(self.begun):
            self.refuse(row)
        for row in list(self.waiting):
            self.leave(row)
            self.queue.finished(row.job)
            self.counted.remove(row)
        for worker in range(WORKERS):
            self.begin(worker)

    @invariant()
    def rows_are_counted(self):
        if hasattr(self, "queue"):
            begun = {id(row) for row in self.begun} | {id(row) for row, _ in self.busy.values() if row in self.counted}
            assert self.queue.rows == len(self.counted) == len(self.waiting) + len(begun)

    def teardown(self):
        """Closed, a queue is emptied by whoever asks, in the same order."""
        if not hasattr(self, "queue"):
            return
        self.queue.close()
        expected, self.notes[0] = self.notes[0], []
        while share := self.next_part(0, ANY) or self.next_row(0, ANY):
            expected.append(share)
        assert list(iter(lambda: self.queue.take(0), None)) == expected


TestQueues = Queues.TestCase
TestQueues.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
