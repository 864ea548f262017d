"""Uploads that break off, and go on where they ended."""

import asyncio
import hashlib
import os
import time
from pathlib import Path

import pytest
from cryptable_protocol import EvaluationKeysHeader, MalformedMessageError
from cryptable_server.errors import (
    KeysCorruptedError,
    KeysNotFoundError,
    PartGoneError,
    QuotaExceededError,
    StreamTooSlowError,
    UploadCutShortError,
)
from cryptable_server.keys import clock as store_clock
from cryptable_server.keys import partial_uploads
from cryptable_server.keys.partial_uploads import KEEP_SECONDS, PER_PRINCIPAL
from cryptable_server.principals import Principal

ALICE, BOB = Principal("token:alice"), Principal("token:bob")
SIZE = 10_000


@pytest.fixture
def pass_by(monkeypatch):
    """Lets seconds pass."""

    class Clock:
        seconds = 1000.0

        def monotonic(self):
            return self.seconds

        def time(self):
            return time.time()

    clock = Clock()
    monkeypatch.setattr(store_clock, "time", clock)

    def let(seconds):
        clock.seconds += seconds

    return let


def data_of(number):
    return bytes([number, *range(1, 250)]) * (SIZE // 250)


def header_of(number):
    return EvaluationKeysHeader(bytes(32), SIZE, hashlib.sha256(data_of(number)).digest())


def send(store, number, start=0, end=SIZE, principal=ALICE, error=None):
    """Send bytes start … end; where there is an error, it comes then."""
    with store.begin(principal, header_of(number)) as upload:
        for offset in range(start, end, 1000):
            upload.write(offset, data_of(number)[offset : min(end, offset + 1000)])
        if error is not None:
            raise error
        return upload.commit()


def interrupt(store, number, start=0, end=4000, principal=ALICE):
    with pytest.raises(asyncio.CancelledError):
        send(store, number, start, end, principal, asyncio.CancelledError())


def received(store, principal=ALICE):
    found = {number: store.received(principal, header_of(number).sha256) for number in range(10)}
    return {number: size for number, size in found.items() if size}


def files_of(store):
    return [path for path in store._incoming.iterdir() if path.is_file()]


@pytest.mark.parametrize("error", [asyncio.CancelledError(), StreamTooSlowError("slow"), None])
def test_an_upload_goes_on_where_it_ended(opened, error):
    store = opened()
    with pytest.raises(UploadCutShortError if error is None else type(error)):
        send(store, 1, 0, 4500, error=error)
    assert received(store) == {1: 4500}
    with pytest.raises(KeysNotFoundError):
        store.find(ALICE, header_of(1).sha256)
    interrupt(store, 1, 4500, 7000)
    assert received(store) == {1: 7000}
    assert store.used_bytes == 7000
    stored = send(store, 1, 7000)
    assert Path(stored.reference).read_bytes() == data_of(1)
    assert (received(store), files_of(store), store.used_bytes) == ({}, [], SIZE)


@pytest.mark.parametrize("place", [0, 3999])
def test_the_digest_is_of_all_bytes(opened, place):
    store = opened()
    interrupt(store, 1)
    (path,) = files_of(store)
    with path.open("r+b") as file:
        file.seek(place)
        file.write(b"\xff")
    with pytest.raises(KeysCorruptedError):
        send(store, 1, 4000)
    assert (received(store), files_of(store), store.used_bytes) == ({}, [], 0)
    send(store, 1)


@pytest.mark.parametrize(("start", "there"), [(3999, True), (4001, True), (4000, False)])
def test_an_upload_goes_on_from_what_there_is_exactly(opened, start, there):
    store = opened()
    interrupt(store, 1)
    if not there:
        files_of(store)[0].unlink()
    with pytest.raises(PartGoneError, match=f"byte {start}"):
        send(store, 1, start)
    assert received(store) == ({1: 4000} if there else {})
    assert send(store, 1)
    assert (received(store), files_of(store), store.used_bytes) == ({}, [], SIZE)


def test_a_part_is_one_principals_and_one_uploads_at_a_time(opened):
    store = opened()
    interrupt(store, 1)
    assert received(store, BOB) == {}
    with pytest.raises(PartGoneError):
        send(store, 1, 4000, principal=BOB)
    with store.begin(ALICE, header_of(1)) as upload:
        upload.write(4000, data_of(1)[4000:5000])
        assert received(store) == {}
        with pytest.raises(PartGoneError):
            send(store, 1, 4000)
        upload.write(5000, data_of(1)[5000:])
        assert upload.commit()


def test_the_longer_of_two_parts_is_kept(opened):
    store = opened()
    for end in (4000, 3000, 6000):
        interrupt(store, 1, end=end)
    assert received(store) == {1: 6000}
    assert store.used_bytes == 6000
    assert len(files_of(store)) == 1


@pytest.mark.parametrize(
    ("offset", "data"),
    [(3999, b"x"), (4001, b"x"), (0, b"x"), (4000, b""), (4000, bytes(SIZE))],
    ids=["overlap", "gap", "begin again", "empty", "long"],
)
def test_nothing_is_kept_of_a_stream_that_breaks_the_rules(opened, offset, data):
    store = opened()
    interrupt(store, 1, end=3000)

    def break_a_rule():
        with store.begin(ALICE, header_of(1)) as upload:
            upload.write(3000, data_of(1)[3000:4000])
            upload.write(offset, data)

    with pytest.raises(MalformedMessageError):
        break_a_rule()
    assert (received(store), files_of(store), store.used_bytes) == ({}, [], 0)


def test_parts_expire_and_are_not_used_after(opened, pass_by):
    store = opened()
    interrupt(store, 1)
    pass_by(KEEP_SECONDS / 2)
    interrupt(store, 2)
    assert received(opened()) == {1: 4000, 2: 4000}
    store = opened()
    pass_by(KEEP_SECONDS / 2 + 1)
    assert received(store) == {2: 4000}
    with pytest.raises(PartGoneError):
        send(store, 1, 4000)
    store.expire()
    assert len(files_of(store)) == 1
    interrupt(store, 3)
    pass_by(KEEP_SECONDS + 1)
    assert files_of(opened()) == []


def test_a_part_that_a_kill_left_does_not_live_longer(opened, pass_by):
    store = opened()
    interrupt(store, 1)
    (path,) = files_of(store)
    ahead = time.time() + 10 * KEEP_SECONDS
    os.utime(path, (ahead, ahead))
    store = opened()
    assert received(store) == {1: 4000}
    pass_by(KEEP_SECONDS + 1)
    assert received(store) == {}


def test_what_is_no_part_is_removed_when_a_store_is_opened(opened):
    store = opened()
    for name in ("tmpabc", "ab.cd.ef", f"{'0' * 64}.{'g' * 64}.x", f"{'0' * 64}.{'0' * 64}.empty"):
        (store._incoming / name).touch()
    assert files_of(opened()) == []


def test_parts_count_towards_the_quota_of_all_and_make_way(opened, pass_by):
    store = opened(quota_bytes=2 * SIZE)
    send(store, 0)
    interrupt(store, 1, end=6000, principal=BOB)
    pass_by(1)
    interrupt(store, 2, end=3000, principal=BOB)
    assert store.used_bytes == 19_000
    send(store, 3)
    assert received(store, BOB) == {}
    assert store.find(ALICE, header_of(0).sha256)
    assert store.used_bytes == 2 * SIZE


def test_parts_count_towards_a_principals_quota_and_make_way(opened, pass_by):
    store = opened(principal_quota_bytes=2 * SIZE)
    interrupt(store, 1, end=6000)
    pass_by(1)
    interrupt(store, 2, end=3000)
    interrupt(store, 3, principal=BOB)
    send(store, 4)
    assert received(store) == {1: 6000, 2: 3000}
    send(store, 2, 3000)
    assert received(store) == {}
    with (
        store.use(ALICE, header_of(4).sha256),
        store.use(ALICE, header_of(2).sha256),
        pytest.raises(QuotaExceededError),
    ):
        interrupt(store, 5)
    assert received(store, BOB) == {3: 4000}


def test_a_principal_has_few_parts(opened, pass_by):
    store = opened()
    interrupt(store, 9, principal=BOB)
    for number in range(PER_PRINCIPAL + 2):
        interrupt(store, number)
        pass_by(1)
    assert list(received(store)) == list(range(2, PER_PRINCIPAL + 2))
    assert received(store, BOB) == {9: 4000}
    assert len(files_of(store)) == PER_PRINCIPAL + 1


def test_parts_are_deleted_as_keys_are(opened):
    store = opened()
    interrupt(store, 1)
    with pytest.raises(KeysNotFoundError):
        store.delete(BOB, header_of(1).sha256)
    store.delete(ALICE, header_of(1).sha256)
    assert (received(store), files_of(store)) == ({}, [])
    stored = send(store, 2)
    interrupt(store, 2)
    store.delete(ALICE, stored.sha256)
    assert store.used_bytes == 0
    with pytest.raises(KeysNotFoundError):
        store.delete(ALICE, stored.sha256)


def test_a_file_that_cannot_be_touched_is_kept_all_the_same(opened, monkeypatch):
    def refused(*_):
        raise PermissionError

    store = opened()
    with monkeypatch.context() as patch:
        patch.setattr(partial_uploads.os, "utime", refused)
        interrupt(store, 1)
    assert send(store, 1, 4000)
