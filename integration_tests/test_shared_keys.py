"""A slice of tools/bench/shared_keys.py; 1000 operations take a minute."""

from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[1] / "tools"


@pytest.fixture
def shared_keys(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS / "bench"))
    import shared_keys

    for name in shared_keys.CREDENTIALS:  # which it sets: put back afterwards
        monkeypatch.setenv(name, "")
    return shared_keys


def test_racing_uploads_deletions_and_kills_lose_nothing(shared_keys, monkeypatch):
    monkeypatch.setattr(shared_keys, "OPERATIONS_BETWEEN_KILLS", 10)
    done, counted, kills, failures = shared_keys.race(60, 2, 5, seed=5)
    assert failures == []
    assert kills >= 1
    assert counted["must be there"] + counted["must not"] >= 2
    assert {each.kind for each in done} >= {"upload", "delete", "get"}


def test_what_is_lost_is_told(shared_keys):
    def one(kind, begin, end=float("inf"), outcome="ok"):
        return shared_keys.Operation(kind, 0, begin, end, outcome)

    upload, deletion = one("upload", 1, 2), one("delete", 3, 4)
    for done, there, verdict, lost in (
        ([upload], False, "must be there", 1),
        ([upload], True, "must be there", 0),
        ([upload, deletion], True, "must not", 1),
        ([upload, deletion, one("upload", 5, 6)], False, "must be there", 1),
        ([upload, one("delete", 1.5, 3)], False, "either", 0),  # at the same time
        ([upload, one("delete", 3, outcome="killed")], False, "either", 0),
        ([upload, one("delete", 3, 4, "not found")], False, "must be there", 1),
        ([upload, one("get", 3, 4, "OTHER BYTES")], True, "must be there", 1),
    ):
        counted, failures = shared_keys.verdicts(done, {0: there})
        assert (counted[verdict], len(failures)) == (1, lost)
