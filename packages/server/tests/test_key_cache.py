import pytest
from cryptable_server.key_cache import KeyCache


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


def test_keys_larger_than_the_budget_are_alone():
    cache, loads = KeyCache(10), Loads()
    for name, size in [("a", 4), ("large", 11), ("a", 4)]:
        cache.get(name, size, loads.of(name))
    assert loads.names == ["a", "large", "a"]
    assert cache.used_bytes == 4


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
