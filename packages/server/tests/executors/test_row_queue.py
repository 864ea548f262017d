"""Who gets which row, without any worker: threads are not needed where nobody has to wait."""

import itertools
import threading
import time

import pytest
from cryptable_server.errors import KeysTooLargeError, OverloadedError, TooLateError
from cryptable_server.executors import key_affinity
from cryptable_server.executors.evaluation_times import Pace
from cryptable_server.executors.executor import Evaluation, KeysReference
from cryptable_server.executors.job import Job, Note
from cryptable_server.executors.row_queue import RowQueue
from cryptable_server.settings.config import WorkerConfig
from hypothesis import given
from hypothesis import strategies as st

SIZE = 10


def queue_of(workers=1, *, pace=None, budget=100, **bounds):
    config = WorkerConfig(count=workers, threads=1, key_memory_bytes=budget, **bounds)
    return RowQueue(config, pace or Pace())


def job(principal="a", keys=None, *, size=SIZE, call="", **fields):
    reference = None if keys is None else KeysReference(keys.encode().ljust(32), principal, "", size)
    return Job(Evaluation("program", b"", reference, principal, call=call, **fields))


def put(queue, *jobs):
    for each in jobs:
        queue.put(each)
    return jobs


def rest(queue, worker=0):
    """All that waits, in the order in which it is taken."""
    queue.close()
    return list(iter(lambda: queue.take(worker), None))


class Asking:
    """A worker that asks for its next row in a thread, and gets it when there is one for it."""

    def __init__(self, queue, worker):
        self.got = None
        self._thread = threading.Thread(target=self._ask, args=(queue, worker))
        self._thread.start()
        until(lambda: worker in queue._idle or not self._thread.is_alive())

    def _ask(self, queue, worker):
        self.got = queue.take(worker)

    def result(self):
        self._thread.join(10)
        assert not self._thread.is_alive()
        return self.got


@pytest.fixture
def patient(monkeypatch):
    """No row waits so long that it is shared for that alone, however slow this machine is."""
    monkeypatch.setattr(key_affinity, "_LONG_SECONDS", float("inf"))


def until(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


@given(st.lists(st.sampled_from("abc"), max_size=30))
def test_principals_are_served_in_turn(owners):
    queue = queue_of()
    jobs = put(queue, *(job(owner) for owner in owners))
    taken = rest(queue)
    assert sorted(map(id, taken)) == sorted(map(id, jobs))
    order = [each.evaluation.principal for each in taken]
    for owner in "abc":
        assert [each for each in taken if each.evaluation.principal == owner] == [
            each for each in jobs if each.evaluation.principal == owner
        ]
        # Between two of one principal, every other who waits is served once.
        positions = [index for index, of in enumerate(order) if of == owner]
        for first, second in itertools.pairwise(positions):
            others = order[first + 1 : second]
            assert set(order[second + 1 :]) - {owner} <= set(others)
            assert len(others) == len(set(others))


def test_calls_of_a_principal_are_served_in_turn():
    queue = queue_of()
    first, second, third = put(queue, job(call="1"), job(call="1"), job(call="2"))
    assert rest(queue) == [first, third, second]


def test_notes_come_first_and_to_whom_they_are_for():
    queue = queue_of(2)
    (row,) = put(queue, job())
    all_of_them, second = Note({"to": "all"}), Note({"to": "1"})
    queue.tell(all_of_them)
    queue.tell(second, 1)
    assert [queue.take(1), queue.take(1), queue.take(0)] == [all_of_them, second, all_of_them]
    assert rest(queue, 1) == [row]


def test_what_is_finished_leaves_the_queue():
    queue = queue_of(queue_rows=2)
    one, two, _ = put(queue, job(), job(), job("b"))
    queue.finished(one)
    assert queue.rows == 2
    (three,) = put(queue, job())
    assert [each for each in rest(queue) if each.evaluation.principal == "a"] == [two, three]


def test_a_worker_waits_for_a_row():
    queue = queue_of()
    asking = Asking(queue, 0)
    (row,) = put(queue, job())
    assert asking.result() is row


def test_a_row_that_is_put_back_is_the_next():
    queue = queue_of()
    put(queue, *(job() for _ in range(3)))
    first = queue.take(0)
    queue.put_back(first)
    assert queue.take(0) is first
    assert queue.rows == 3


@pytest.mark.parametrize(
    ("bounds", "told"),
    [
        ({"queue_rows": 2}, "3 rows are"),
        ({"queue_rows_per_principal": 2}, "3 rows of yours"),
        ({"queue_rows_per_model": 2}, "3 rows for model 'm'"),
    ],
)
def test_bounds(bounds, told):
    pace = Pace()
    pace.add("program", 4.0)
    queue = queue_of(pace=pace, **bounds)
    put(queue, *(job(model="m") for _ in range(3)))
    with pytest.raises(OverloadedError, match=told) as caught:
        queue.put(job(model="m"))
    assert caught.value.retry_after == 6.0  # until half of them are done
    queue.finished(queue.take(0))
    put(queue, job(model="m"))
    if "queue_rows" not in bounds:
        put(queue, job("b", model="another"))  # which has a bound of its own


@pytest.mark.parametrize("most", [1, 3])
def test_a_models_own_bound_is_in_place_of_that_of_any(most):
    queue = queue_of(queue_rows_per_model=2)
    put(queue, *(job(model="m", model_queue_rows=most) for _ in range(most + 1)))
    with pytest.raises(OverloadedError, match=f"{most + 1} rows for model 'm'"):
        queue.put(job(model="m", model_queue_rows=most))


def test_keys_that_fit_no_worker_are_refused_with_the_reason():
    with pytest.raises(KeysTooLargeError, match=r"about 2 MB .* at most 1 MB .* --key-memory"):
        queue_of(budget=1 << 20).put(job(keys="k", size=2 << 20))


def test_rows_go_to_the_worker_that_has_their_keys(patient):
    queue = queue_of(2)
    put(queue, job("a", "k"))
    queue.take(0)
    second = Asking(queue, 1)
    (again,) = put(queue, job("a", "k"))
    assert queue.take(0) is again
    assert second.got is None
    queue.close()
    second.result()


def test_new_keys_go_to_the_idle_worker_with_the_fewest_keys_in_use():
    queue = queue_of(2)
    put(queue, job("a", "k"))
    queue.take(0)
    (other,) = put(queue, job("b", "other"))
    assert Asking(queue, 1).result() is other
    # Both have one by now; who asks alone gets it.
    (third,) = put(queue, job("c", "third"))
    assert queue.take(0) is third


def test_many_rows_of_one_client_are_shared_while_its_worker_is_busy(patient):
    queue = queue_of(2)
    first, second, third = put(queue, *(job("a", "k") for _ in range(3)))
    assert queue.take(0) is first
    assert queue.take(1) is second  # two wait
    assert queue.take(1) is third  # one waits, and both have the keys


def test_one_row_waits_for_the_worker_with_its_keys_but_not_for_long():
    queue = queue_of(2)
    put(queue, job("a", "k"))
    queue.take(0)
    (row,) = put(queue, job("a", "k"))
    began = time.monotonic()
    assert queue.take(1) is row
    assert time.monotonic() - began > 0.4


def test_a_row_that_is_passed_over_again_and_again_is_taken(patient):
    queue = queue_of(2)
    put(queue, job("a", "k"))
    queue.take(0)
    waiting, *others = put(queue, job("a", "k"), job("b"), job("b"), job("b"))
    assert [queue.take(1) for _ in range(2)] == others[:2]
    assert queue.take(1) is waiting


def test_keys_in_use_are_not_pushed_out_to_share_others(monkeypatch):
    queue = queue_of(2, budget=SIZE)
    put(queue, job("a", "k"))
    queue.take(0)
    put(queue, job("b", "other"))
    queue.take(1)
    rows = put(queue, *(job("a", "k") for _ in range(3)))
    second = Asking(queue, 1)
    assert [queue.take(0) for _ in range(3)] == list(rows)
    assert second.got is None
    # Keys that nobody has used for a while are.
    shared = put(queue, *(job("a", "k") for _ in range(2)))
    later = time.monotonic() + 100
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert second.result() is shared[0]
    assert queue.take(0) is shared[1]


def test_what_a_new_worker_has_is_nothing(patient):
    queue = queue_of(2)
    put(queue, job("a", "k"))
    queue.take(0)
    put(queue, job("a", "k"))
    queue.emptied(0)
    assert queue.take(1).evaluation.keys is not None


def test_forgotten_keys_are_with_nobody(patient):
    queue = queue_of(2)
    put(queue, job("a", "k"))
    queue.take(0)
    (row,) = put(queue, job("a", "k"))
    queue.forget(row.evaluation.keys.name)
    assert queue.take(1) is row


def test_rows_are_abandoned_only_where_no_worker_is_up():
    queue = queue_of(2)
    jobs = put(queue, job(), job("b"))
    queue.worker_up(0)
    queue.worker_up(1)
    queue.emptied(0)
    assert queue.abandoned() == []
    queue.emptied(1)
    assert queue.abandoned() == list(jobs)
    assert rest(queue) == []


def test_a_deadline_that_has_passed_is_refused():
    with pytest.raises(TooLateError, match="passed"):
        queue_of().put(job(deadline=time.monotonic() - 1))


def test_a_deadline_that_cannot_be_met_is_refused():
    pace = Pace()
    for seconds in (5.0, 9.0):
        pace.add("program", seconds)
    queue = queue_of(2, pace=pace)
    with pytest.raises(TooLateError, match=r"less than about 5\.00 s"):
        queue.put(job(deadline=time.monotonic() + 4))
    for _ in range(4):
        queue.put(job(deadline=time.monotonic() + 30))
    # Two workers have 10 s to do before it.
    with pytest.raises(TooLateError, match=r"less than about 15\.00 s"):
        queue.put(job(deadline=time.monotonic() + 14))
    queue.put(job(deadline=time.monotonic() + 16))
    queue.put(job("b", deadline=time.monotonic() + 6))  # before whom nobody's rows must be done


def test_no_row_is_refused_on_a_guess():
    queue_of().put(job(deadline=time.monotonic() + 0.5))


def test_pace_is_that_of_the_last_rows():
    pace = Pace()
    assert (pace.fastest("p"), pace.usual("p")) == (0.0, 1.0)
    pace.add("p", 0.001)
    for _ in range(32):
        pace.add("p", 3.0)
    assert (pace.fastest("p"), pace.usual("p")) == (3.0, 3.0)
