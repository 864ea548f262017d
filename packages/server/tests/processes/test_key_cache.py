import pytest
from cryptable_server.errors import KeysTooLargeError
from cryptable_server.processes.key_cache import KeyCache
from hypothesis import given
from hypothesis import strategies as st
from waiting import Clock


class Loads:
    def __init__(self):
        self.names = []

    def of(self, name):
        def load():
            self.names.append(name)
            return f"keys of {name}"

        return load


def test_keys_are_loaded_once():
    cache, loads = KeyCache(10), Loads()
    assert [cache.get("a", 4, loads.of("a")) for _ in range(2)] == ["keys of a"] * 2
    assert loads.names == ["a"]


def test_the_least_recently_used_go_first():
    cache, loads = KeyCache(10), Loads()
    for name in ["a", "b", "a", "c", "a", "b"]:
        cache.get(name, 4, loads.of(name))
    assert loads.names == ["a", "b", "c", "b"]
    assert cache.used_bytes == 8


def test_keys_larger_than_the_budget_are_refused_and_push_nothing_out():
    cache, loads = KeyCache(10), Loads()
    cache.get("a", 4, loads.of("a"))
    with pytest.raises(KeysTooLargeError):
        cache.get("large", 11, loads.of("large"))
    assert loads.names == ["a"]
    assert "a" in cache


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 12)), max_size=30))
def test_the_budget_is_kept(uses):
    cache, sizes = KeyCache(12), {}
    for name, size in uses:
        cache.get(name, sizes.setdefault(name, size), lambda: None)
        assert name in cache
        assert cache.used_bytes == sum(size for name, size in sizes.items() if name in cache) <= 12


def test_room_is_what_was_not_used_lately():
    clock = Clock()
    cache = KeyCache(10, clock)
    cache.get("a", 6, lambda: None)
    clock.pass_by(100)
    cache.get("b", 3, lambda: None)
    assert cache.recent_bytes(60.0) == 3
    assert cache.has_room(7, recent_seconds=60.0)
    assert not cache.has_room(8, recent_seconds=60.0)
    cache.clear()
    assert cache.used_bytes == 0


def test_dropped_keys_are_loaded_again():
    cache, loads = KeyCache(10), Loads()
    cache.get("a", 4, loads.of("a"))
    cache.drop("a")
    cache.drop("never there")
    assert cache.used_bytes == 0
    cache.get("a", 4, loads.of("a"))
    assert loads.names == ["a", "a"]


def test_a_failed_load_is_not_kept():
    cache = KeyCache(10)

    def fail():
        raise MemoryError

    with pytest.raises(MemoryError):
        cache.get("a", 4, fail)
    assert cache.used_bytes == 0
    assert cache.get("a", 4, lambda: "keys") == "keys"
