"""What every KeyStore does, whatever it keeps keys in: `check_key_store`, for the directory and for stores to come.

Only the interface is used, so a store on another machine can be checked as well.
"""

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from cryptable_protocol import EvaluationKeysHeader, InternalError, MalformedMessageError, limits
from cryptable_server.errors import (
    KeysCorruptedError,
    KeysNotFoundError,
    PartGoneError,
    QuotaExceededError,
    UploadCutShortError,
)
from cryptable_server.keys.store import KeyStore
from cryptable_server.principals import Principal

ALICE, BOB = Principal("token:alice"), Principal("mtls:bob/../../one")
SIZE = 10_000
CHECKS = []


@dataclass(frozen=True)
class Place:
    """Where a store keeps its keys, empty at first."""

    open: Callable[..., KeyStore]
    """Opens a store there, and closes the one before. Options: `quota_bytes`, `principal_quota_bytes`,
    `time_to_live`, each None by default."""
    pass_by: Callable[[float], None]
    """Lets so many seconds pass, by the store's clock."""
    read: Callable[[str], bytes]
    """The bytes that a worker finds under a reference."""


def check_key_store(new_place):
    """Run every check, each on a Place of its own that `new_place` returns."""
    for check in CHECKS:
        check(new_place())


def contract(check):
    CHECKS.append(check)
    return check


def data_of(number):
    return bytes([number, *range(1, 250)]) * (SIZE // 250)


def header_of(number, **changes):
    fields = {"keyset_name": bytes(32), "size": SIZE, "sha256": hashlib.sha256(data_of(number)).digest()}
    return EvaluationKeysHeader(**{**fields, **changes})


def put(store, number, principal=ALICE, *, start=0, end=SIZE, error=None, header=None):
    """Send bytes start … end; where there is an error, it comes then."""
    with store.begin(principal, header or header_of(number)) as upload:
        for offset in range(start, end, 4000):
            upload.write(offset, data_of(number)[offset : min(end, offset + 4000)])
        if error is not None:
            raise error
        return upload.commit()


def interrupt(store, number, principal=ALICE, *, start=0, end=4000):
    with pytest.raises(asyncio.CancelledError):
        put(store, number, principal, start=start, end=end, error=asyncio.CancelledError())


def send(store, chunks):
    with store.begin(ALICE, header_of(0)) as upload:
        for offset, data in chunks:
            upload.write(offset, data)
        return upload.commit()


def stored(store, principal=ALICE):
    """Numbers of the principal's keys."""
    found = []
    for number in range(6):
        try:
            assert store.find(principal, header_of(number).sha256).size == SIZE
        except KeysNotFoundError:
            continue
        found.append(number)
    return found


def received(store, number, principal=ALICE):
    return store.received(principal, header_of(number).sha256)


def use(store, number, principal=ALICE):
    return store.use(principal, header_of(number).sha256)


@contract
def keys_are_found_with_their_bytes(place):
    store = place.open()
    kept = put(store, 0)
    assert kept == store.find(ALICE, header_of(0).sha256)
    assert (kept.owner, kept.sha256, kept.keyset_name, kept.size) == (
        ALICE.folder,
        header_of(0).sha256,
        bytes(32),
        SIZE,
    )
    assert place.read(kept.reference) == data_of(0)
    assert (store.used_bytes, store.count) == (SIZE, 1)


@contract
def keys_survive_a_restart(place):
    kept = put(place.open(), 0)
    assert place.open().find(ALICE, kept.sha256) == kept


@contract
def principals_do_not_see_each_other(place):
    store = place.open()
    kept = put(store, 0)
    with pytest.raises(KeysNotFoundError):
        store.find(BOB, kept.sha256)
    with pytest.raises(KeysNotFoundError):
        store.delete(BOB, kept.sha256)
    with pytest.raises(KeysNotFoundError), store.use(BOB, kept.sha256):
        pass
    assert put(store, 0, BOB).reference != kept.reference
    store.delete(BOB, kept.sha256)
    assert (stored(store), stored(store, BOB)) == ([0], [])


@contract
def the_same_keys_twice_are_stored_once(place):
    store = place.open()
    assert put(store, 0) == put(store, 0)
    assert (store.used_bytes, store.count) == (SIZE, 1)


@contract
def the_same_bytes_for_another_keyset_replace_those_before(place):
    store = place.open()
    put(store, 0)
    again = put(store, 0, header=header_of(0, keyset_name=bytes([1]) * 32))
    for opened in (store, place.open()):
        assert opened.find(ALICE, again.sha256).keyset_name == bytes([1]) * 32
        assert (opened.used_bytes, opened.count) == (SIZE, 1)


@contract
def deleted_keys_are_gone(place):
    store = place.open()
    sha256 = put(store, 0).sha256
    store.delete(ALICE, sha256)
    assert (stored(store), store.used_bytes, store.count) == ([], 0, 0)
    with pytest.raises(KeysNotFoundError):
        store.delete(ALICE, sha256)
    assert stored(place.open()) == []


@contract
def an_operator_sees_whose_keys_there_are_and_removes_them(place):
    store = place.open()
    for number, principal in ((0, ALICE), (1, ALICE), (0, BOB)):
        put(store, number, principal)
        place.pass_by(10)
    with use(store, 0):
        entries = store.entries()
        place.pass_by(10)
    assert [(entry.principal, entry.keys.sha256, entry.unused_seconds, entry.in_use) for entry in entries] == [
        (ALICE.name, header_of(0).sha256, pytest.approx(0), True),
        (BOB.name, header_of(0).sha256, pytest.approx(10), False),
        (ALICE.name, header_of(1).sha256, pytest.approx(20), False),
    ]
    assert store.delete_of(BOB.name, None) == 1
    with pytest.raises(KeysNotFoundError, match="mtls"):
        store.delete_of(BOB.name, None)
    assert store.delete_of(ALICE.name, header_of(1).sha256) == 1
    assert stored(store) == [0]
    interrupt(store, 2)
    assert store.delete_of(ALICE.name, None) == 1
    assert store.used_bytes == 0


@contract
def an_operator_removes_what_came_of_an_upload_that_broke(place):
    store = place.open()
    interrupt(store, 0)
    assert store.delete_of(ALICE.name, None) == 0
    assert (received(store, 0), store.used_bytes) == (0, 0)


@contract
def chunks_that_are_not_the_whole_in_order_are_refused(place):
    store, data = place.open(), data_of(0)
    for chunks in (
        [(0, data[:100]), (101, data[101:])],  # a gap
        [(0, data[:100]), (99, data[99:])],  # an overlap
        [(0, data), (SIZE, b"x")],
        [(0, data + b"x")],
        [(0, b"")],
        [(0, data), (0, data)],
        [(1 << 63, data)],
    ):
        with pytest.raises(MalformedMessageError):
            send(store, chunks)
        assert (received(store, 0), store.used_bytes) == (0, 0)


@contract
def a_chunk_has_a_largest_size(place):
    data = bytes(limits.CHUNK_BYTES + 1)
    header = EvaluationKeysHeader(bytes(32), len(data), hashlib.sha256(data).digest())
    with pytest.raises(MalformedMessageError, match=str(limits.CHUNK_BYTES)), place.open().begin(ALICE, header) as up:
        up.write(0, data)


@contract
def another_sha256_is_refused(place):
    store = place.open()
    with pytest.raises(KeysCorruptedError):
        put(store, 0, header=header_of(0, sha256=bytes(32)))
    assert store.used_bytes == 0


@contract
def an_upload_that_was_left_takes_nothing_more(place):
    """A thread may come late, when its call has been cancelled already."""
    store = place.open()
    with store.begin(ALICE, header_of(0)) as upload:
        upload.write(0, data_of(0)[:10])
    with pytest.raises(InternalError):
        upload.write(10, data_of(0)[10:])
    with store.begin(ALICE, header_of(0)) as upload:
        upload.write(0, data_of(0))
    with pytest.raises(InternalError):
        upload.commit()
    assert (stored(store), store.used_bytes) == ([], 0)


@contract
def an_upload_goes_on_where_it_broke_off(place):
    store = place.open()
    with pytest.raises(UploadCutShortError):
        put(store, 0, end=4500)
    assert (received(store, 0), store.used_bytes, stored(store)) == (4500, 4500, [])
    interrupt(store, 0, start=4500, end=7000)
    store = place.open()
    assert (received(store, 0), received(store, 0, BOB)) == (7000, 0)
    for start, principal in ((6999, ALICE), (7001, ALICE), (7000, BOB)):
        with pytest.raises(PartGoneError, match=f"byte {start}"):
            put(store, 0, principal, start=start)
    assert place.read(put(store, 0, start=7000).reference) == data_of(0)
    assert (received(store, 0), store.used_bytes) == (0, SIZE)


@contract
def each_principal_has_a_quota_of_its_own(place):
    store = place.open(principal_quota_bytes=2 * SIZE)
    put(store, 0)
    put(store, 0, BOB)
    with use(store, 0), store.begin(ALICE, header_of(1)), pytest.raises(QuotaExceededError, match="yours"):
        store.begin(ALICE, header_of(2))
    put(store, 1)
    put(store, 1)  # again, which takes no more
    with use(store, 0), use(store, 1), pytest.raises(QuotaExceededError, match=str(2 * SIZE)):
        put(store, 2)
    assert (stored(store), stored(store, BOB)) == ([0, 1], [0])


@contract
def keys_of_runs_that_are_gone_make_room_for_those_of_the_same_principal(place):
    """A run that is killed deletes nothing, and its keys are like any others."""
    store = place.open(principal_quota_bytes=2 * SIZE)
    put(store, 5, BOB)
    for number in range(4):
        put(store, number)
        place.pass_by(1)
    assert (stored(store), stored(store, BOB)) == ([2, 3], [5])
    with use(store, 2):
        put(store, 4)
        place.pass_by(1)
    assert stored(store) == [2, 4]
    with pytest.raises(QuotaExceededError):  # which drops none, since that would not do
        store.begin(ALICE, header_of(5, size=3 * SIZE))
    assert stored(store) == [2, 4]


@contract
def the_least_recently_used_make_room(place):
    store = place.open(quota_bytes=3 * SIZE)
    for number, principal in ((0, ALICE), (1, BOB), (2, ALICE)):
        put(store, number, principal)
        place.pass_by(1)
    with use(store, 0):
        place.pass_by(1)
    put(store, 3)
    assert (stored(store), stored(store, BOB)) == ([0, 2, 3], [])
    assert store.used_bytes == 3 * SIZE


@contract
def keys_in_use_are_never_dropped(place):
    store = place.open(quota_bytes=SIZE, time_to_live=10)
    put(store, 0)
    with use(store, 0), use(store, 0):
        with pytest.raises(QuotaExceededError, match="in use"):
            put(store, 1, BOB)
        place.pass_by(100)
        assert store.expire() == 0
    # The end of a use is a use.
    assert store.expire() == 0
    put(store, 1, BOB)
    assert (stored(store), stored(store, BOB)) == ([], [1])


@contract
def unused_keys_expire(place):
    store = place.open(time_to_live=100)
    put(store, 0)
    put(store, 1)
    place.pass_by(90)
    assert store.expire() == 0
    with use(store, 1):
        pass
    place.pass_by(20)
    store = place.open(time_to_live=100)
    assert store.expire() == 1
    assert stored(store) == [1]
