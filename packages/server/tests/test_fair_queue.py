import itertools
import threading

from cryptable_server.fair_queue import FairQueue
from hypothesis import given
from hypothesis import strategies as st


def taken(queue):
    queue.close()
    return list(iter(queue.get, None))


@given(st.lists(st.sampled_from("abc"), max_size=30))
def test_owners_are_served_in_turn(owners):
    queue = FairQueue()
    for number, owner in enumerate(owners):
        queue.put(owner, (owner, number))
    items = taken(queue)
    assert sorted(items) == sorted((owner, number) for number, owner in enumerate(owners))
    for owner in "abc":
        numbers = [number for of, number in items if of == owner]
        assert numbers == sorted(numbers)
        # Between two of one owner, every other who waits is served once.
        positions = [index for index, (of, _) in enumerate(items) if of == owner]
        for first, second in itertools.pairwise(positions):
            others = [of for of, _ in items[first + 1 : second]]
            waiting = {of for of, _ in items[second + 1 :]} - {owner}
            assert waiting <= set(others)
            assert len(others) == len(set(others))


def test_what_is_urgent_comes_first():
    queue = FairQueue()
    queue.put("a", 1)
    queue.put_urgent(2)
    assert taken(queue) == [2, 1]


def test_what_was_removed_is_not_taken():
    queue = FairQueue()
    one, two = object(), object()
    queue.put("a", one)
    queue.put("a", two)
    assert queue.remove("a", one)
    assert not queue.remove("a", one)
    assert not queue.remove("b", two)
    assert taken(queue) == [two]


def test_get_waits():
    queue = FairQueue()
    threading.Timer(0.05, queue.put, ("a", 1)).start()
    assert queue.get() == 1
