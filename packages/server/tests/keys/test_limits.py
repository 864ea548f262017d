"""Quotas, time to live and dropping of stored keys."""

import hashlib
import time
from pathlib import Path

import pytest
from cryptable_protocol import EvaluationKeysHeader
from cryptable_server.errors import KeysNotFoundError, QuotaExceededError
from cryptable_server.keys import clock as store_clock
from cryptable_server.keys.directory import DirectoryKeyStore
from cryptable_server.principals import Principal

ALICE, BOB = Principal("token:alice"), Principal("token:bob")
SIZE = 10_000


@pytest.fixture
def clock(monkeypatch):
    """Both clocks of the machine, which the test moves."""

    class Clock:
        monotonic_seconds = 1000.0
        wall_seconds = time.time()

        def monotonic(self):
            return self.monotonic_seconds

        def time(self):
            return self.wall_seconds

        def pass_by(self, seconds):
            self.monotonic_seconds += seconds
            self.wall_seconds += seconds

    made = Clock()
    monkeypatch.setattr(store_clock, "time", made)
    return made


def data_of(number):
    return bytes([number]) * SIZE


def header_of(number):
    return EvaluationKeysHeader(bytes(32), SIZE, hashlib.sha256(data_of(number)).digest())


def put(store, number, principal=ALICE):
    with store.begin(principal, header_of(number)) as upload:
        upload.write(0, data_of(number))
        return upload.commit().sha256


def stored(store, principal=ALICE):
    """Numbers of the principal's keys."""
    found = []
    for number in range(10):
        try:
            store.find(principal, header_of(number).sha256)
        except KeysNotFoundError:
            continue
        found.append(number)
    return found


def test_the_least_recently_used_make_room(opened, clock):
    removed = []
    store = opened(quota_bytes=3 * SIZE, on_removal=removed.append)
    for number in range(3):
        clock.pass_by(1)
        put(store, number, BOB if number == 1 else ALICE)
    clock.pass_by(1)
    with store.use(ALICE, header_of(0).sha256):
        pass
    put(store, 3)
    assert (stored(store), stored(store, BOB)) == ([0, 2, 3], [])
    assert [(keys.owner, keys.sha256) for keys in removed] == [(BOB.folder, header_of(1).sha256)]
    assert not Path(removed[0].reference).exists()
    assert store.used_bytes == 3 * SIZE


def test_what_the_store_removes_by_itself_is_told_with_its_reason(opened, clock):
    told = []
    options = {"quota_bytes": 2 * SIZE, "time_to_live": 50}
    store = opened(**options, on_drop=lambda entry, why: told.append((entry.principal, entry.keys.sha256, why)))
    for number, principal in enumerate((ALICE, BOB, BOB)):
        clock.pass_by(1)
        put(store, number, principal)
    clock.pass_by(100)
    store.delete(BOB, header_of(2).sha256)
    store.expire()
    assert told == [
        (ALICE.name, header_of(0).sha256, "room"),
        (BOB.name, header_of(1).sha256, "expired"),
    ]


def test_keys_in_use_are_never_dropped(opened, clock):
    store = opened(quota_bytes=2 * SIZE, time_to_live=10)
    put(store, 0)
    clock.pass_by(1)
    put(store, 1)
    with store.use(ALICE, header_of(0).sha256):
        put(store, 2)
        assert stored(store) == [0, 2]
        with store.use(ALICE, header_of(2).sha256):
            with pytest.raises(QuotaExceededError, match="in use"):
                put(store, 3, BOB)
            clock.pass_by(100)
            assert store.expire() == 0
        assert stored(store) == [0, 2]
    # The end of a use is a use.
    assert store.expire() == 0


def test_keys_that_come_into_use_while_others_come_in(opened):
    store = opened(quota_bytes=SIZE)
    put(store, 0)
    with (
        store.begin(BOB, header_of(1)) as upload,
        store.use(ALICE, header_of(0).sha256),
        pytest.raises(QuotaExceededError, match="in use"),
    ):
        upload.write(0, data_of(1))
    assert stored(store) == [0]
    assert store.used_bytes == SIZE


def test_a_header_alone_drops_nothing(opened):
    store = opened(quota_bytes=SIZE)
    put(store, 0)
    with store.begin(BOB, header_of(1)):
        pass
    assert stored(store) == [0]
    with store.begin(BOB, header_of(1)), pytest.raises(QuotaExceededError, match=str(SIZE)):
        store.begin(BOB, header_of(2))
    put(store, 1, BOB)


def test_unused_keys_expire(opened, clock):
    store = opened(time_to_live=100)
    put(store, 0)
    put(store, 1)
    clock.pass_by(90)
    assert store.expire() == 0
    with store.use(ALICE, header_of(1).sha256):
        pass
    clock.pass_by(20)
    assert store.expire() == 1
    assert stored(store) == [1]
    store = opened(time_to_live=100)
    assert stored(store) == [1]
    clock.pass_by(90)
    assert store.expire() == 1


@pytest.mark.parametrize("jump", [-1e9, -1000, 1000, 1e9])
@pytest.mark.parametrize("restarted", [False, True])
def test_a_jump_of_the_wall_clock_expires_nothing_and_keeps_nothing(opened, clock, jump, restarted):
    store = opened(time_to_live=100)
    put(store, 0)
    clock.pass_by(50)
    clock.wall_seconds += jump
    if restarted:
        store = opened(time_to_live=100)
    put(store, 1)
    assert store.expire() == 0
    assert stored(store) == [0, 1]
    clock.pass_by(60)
    assert store.expire() == 1
    assert stored(store) == [1]


def test_a_kill_does_not_turn_the_clock_back(opened, clock, tmp_path):
    store = opened(time_to_live=100)
    clock.pass_by(80)
    put(store, 0)
    (tmp_path / "keys" / ".clock").unlink(missing_ok=True)
    store._lock.release()  # as a kill does: nothing is saved
    again = DirectoryKeyStore(tmp_path / "keys", time_to_live=100)
    clock.pass_by(90)
    assert again.expire() == 0
    clock.pass_by(20)
    assert again.expire() == 1
    again.close()


@pytest.mark.parametrize("content", ["", "nonsense", "nan", "-5", "1e300"])
def test_a_damaged_clock_costs_no_keys(opened, clock, tmp_path, content):
    put(opened(time_to_live=100), 0)
    opened().close()
    (tmp_path / "keys" / ".clock").write_text(content)
    store = DirectoryKeyStore(tmp_path / "keys", time_to_live=100)
    assert store.expire() == 0
    assert stored(store) == [0]
    store.close()
