"""Who gets which row, without any worker: threads are not needed where nobody has to wait."""

import itertools
import threading

import pytest
from cryptable_server.errors import KeysTooLargeError, OverloadedError, TooLateError
from cryptable_server.executors.evaluation_times import EvaluationTimes
from cryptable_server.executors.job import Share
from cryptable_server.processes.messages import Forget, Load
from hypothesis import given
from hypothesis import strategies as st
from row_queues import CLOCK, SIZE, job, put, queue_of, rest
from waiting import LONG_SECONDS


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
    all_of_them, second = Load("for all"), Forget("for one")
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
    got = []
    asking = threading.Thread(target=lambda: got.append(queue.take(0)))
    asking.start()
    (row,) = put(queue, job())
    asking.join(LONG_SECONDS)
    assert got == [row]


def test_a_worker_that_waits_looks_again_by_itself():
    """A row becomes its own by the time that passes, of which nobody tells it."""
    queue = queue_of(2)
    put(queue, job("a", "k"))
    queue.take(0)
    (row,) = put(queue, job("a", "k"))
    assert queue.ask(1) is None
    got = []
    asking = threading.Thread(target=lambda: got.append(queue.take(1)))
    asking.start()
    CLOCK.pass_by(1)
    asking.join(LONG_SECONDS)
    assert got == [row]


def test_a_row_that_is_put_back_is_the_next():
    queue = queue_of()
    put(queue, *(job() for _ in range(3)))
    first = queue.take(0)
    queue.put_back(Share(first))
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
    times = EvaluationTimes()
    times.add("program", 4.0)
    queue = queue_of(times=times, **bounds)
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


def test_rows_go_to_the_worker_that_has_their_keys():
    queue = queue_of(2)
    put(queue, job("a", "k"))
    queue.take(0)
    assert queue.ask(1) is None
    (again,) = put(queue, job("a", "k"))
    assert queue.ask(1) is None
    assert queue.take(0) is again


def test_new_keys_go_to_the_idle_worker_with_the_fewest_keys_in_use():
    queue = queue_of(2)
    put(queue, job("a", "k"))
    queue.take(0)
    (other,) = put(queue, job("b", "other"))
    assert queue.ask(1) is other
    # Both have one by now; who asks alone gets it.
    (third,) = put(queue, job("c", "third"))
    assert queue.take(0) is third


def test_many_rows_of_one_client_are_shared_while_its_worker_is_busy():
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
    CLOCK.pass_by(0.49)
    assert queue.ask(1) is None
    CLOCK.pass_by(0.02)
    assert queue.ask(1) is row


def test_a_row_that_is_passed_over_again_and_again_is_taken():
    queue = queue_of(2)
    put(queue, job("a", "k"))
    queue.take(0)
    waiting, *others = put(queue, job("a", "k"), job("b"), job("b"), job("b"))
    assert [queue.take(1) for _ in range(2)] == others[:2]
    assert queue.take(1) is waiting


def test_keys_in_use_are_not_pushed_out_to_share_others():
    queue = queue_of(2, budget=SIZE)
    put(queue, job("a", "k"))
    queue.take(0)
    put(queue, job("b", "other"))
    queue.take(1)
    rows = put(queue, *(job("a", "k") for _ in range(3)))
    for row in rows:
        assert queue.ask(1) is None
        assert queue.ask(0) is row
    # Keys that nobody has used for a while are.
    shared = put(queue, *(job("a", "k") for _ in range(2)))
    CLOCK.pass_by(100)
    assert queue.ask(1) is shared[0]
    assert queue.take(0) is shared[1]


def test_what_a_new_worker_has_is_nothing():
    queue = queue_of(2)
    put(queue, job("a", "k"))
    queue.take(0)
    put(queue, job("a", "k"))
    queue.emptied(0)
    assert queue.take(1).evaluation.keys is not None


def test_forgotten_keys_are_with_nobody():
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
        queue_of().put(job(deadline=CLOCK() - 1))


def test_a_deadline_that_cannot_be_met_is_refused():
    times = EvaluationTimes()
    for seconds in (5.0, 9.0):
        times.add("program", seconds)
    queue = queue_of(2, times=times)
    with pytest.raises(TooLateError, match=r"less than about 5\.00 s"):
        queue.put(job(deadline=CLOCK() + 4))
    for _ in range(4):
        queue.put(job(deadline=CLOCK() + 30))
    # Two workers have 10 s to do before it.
    with pytest.raises(TooLateError, match=r"less than about 15\.00 s"):
        queue.put(job(deadline=CLOCK() + 14))
    queue.put(job(deadline=CLOCK() + 16))
    queue.put(job("b", deadline=CLOCK() + 6))  # before whom nobody's rows must be done


def test_no_row_is_refused_on_a_guess():
    queue_of().put(job(deadline=CLOCK() + 0.5))


def test_evaluation_times_are_those_of_the_last_rows():
    times = EvaluationTimes()
    assert (times.fastest("p"), times.usual("p")) == (0.0, 1.0)
    times.add("p", 0.001)
    for _ in range(32):
        times.add("p", 3.0)
    assert (times.fastest("p"), times.usual("p")) == (3.0, 3.0)


def test_rows_that_travel_together_are_so_many_turns():
    queue = queue_of()
    many = put(queue, job("a", rows=3), job("a", rows=3))
    few = put(queue, *(job("b") for _ in range(5)))
    assert rest(queue) == [many[0], *few[:3], many[1], *few[3:]]


def test_nobody_is_behind_for_rows_that_nobody_waited_with():
    queue = queue_of()
    (first,) = put(queue, job("a", rows=9))
    assert queue.take(0) is first
    later = put(queue, job("a"), job("b"))
    assert rest(queue) == list(later)


def test_bounds_count_rows_that_travel_together():
    queue = queue_of(queue_rows=4)
    (first,) = put(queue, job(rows=3))
    with pytest.raises(OverloadedError, match="3 rows are waiting"):
        queue.put(job(rows=3))
    put(queue, job(rows=2))
    assert queue.rows == 5
    queue.finished(first)
    assert queue.rows == 2


def test_more_rows_together_than_may_wait_are_taken_where_nothing_waits():
    queue = queue_of(queue_rows=2)
    put(queue, job(rows=9))
    with pytest.raises(OverloadedError):
        queue.put(job())


def test_a_deadline_is_compared_with_the_time_of_all_rows():
    times = EvaluationTimes()
    times.add("program", 1.0)
    queue = queue_of(times=times)
    put(queue, job(deadline=CLOCK() + 3.5, rows=3))
    with pytest.raises(TooLateError):
        queue.put(job("b", deadline=CLOCK() + 3.5, rows=4))
