"""Several servers' ObjectKeyStores on one place: what one does, the others see; what is damaged is never used."""

import hashlib
import logging
import os
import time
from pathlib import Path

import object_stores
import pytest
from cryptable_protocol import EvaluationKeysHeader
from cryptable_server.errors import ConfigurationError, KeysCorruptedError, KeysNotFoundError, QuotaExceededError
from cryptable_server.keys.objects import object_store
from cryptable_server.keys.objects.object_store import ObjectKeyStore
from cryptable_server.objects.places import is_place, open_place
from cryptable_server.principals import Principal
from object_stores import CREDENTIALS

ALICE, BOB = Principal("token:alice"), Principal("token:bob")
SIZE = 5000


def data_of(number):
    return bytes([number, *range(1, 250)]) * (SIZE // 250)


def sha256_of(number):
    return hashlib.sha256(data_of(number)).digest()


def put(store, number, principal=ALICE, keyset=bytes(32)):
    header = EvaluationKeysHeader(keyset, SIZE, sha256_of(number))
    with store.begin(principal, header) as upload:
        upload.write(0, data_of(number))
        return upload.commit()


def fetched(store, number, principal=ALICE):
    """The bytes that a worker of that server reads."""
    store.fetch(principal, sha256_of(number))
    with store.use(principal, sha256_of(number)) as keys:
        return Path(keys.reference).read_bytes()


@pytest.fixture(scope="module")
def url():
    with object_stores.object_server() as url:
        yield url


@pytest.fixture
def place(url, monkeypatch):
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(object_store, "_FRESH_SECONDS", 0.0)
    return object_stores.new_place(url)


@pytest.fixture
def bucket(url, place):
    return open_place(place, url, "--key-store")


@pytest.fixture
def opened(bucket, tmp_path):
    """Opens the store of one more server."""
    stores = []

    def one_more(**options):
        options = {"copies_bytes": 1 << 30, **options}
        stores.append(ObjectKeyStore(bucket, tmp_path / f"server-{len(stores)}", **options))
        return stores[-1]

    yield one_more
    for store in stores:
        store.close()


def names(bucket):
    return sorted(each.name for page in bucket.find("") for each in page if not each.name.startswith("clock/"))


def test_keys_that_one_server_took_are_anothers_too(opened, bucket):
    one, other = opened(), opened()
    kept = put(one, 0)
    found = other.find(ALICE, sha256_of(0))
    assert (found.size, found.keyset_name) == (kept.size, kept.keyset_name)
    assert found.reference != kept.reference
    with pytest.raises(KeysNotFoundError), other.use(ALICE, sha256_of(0)):
        pass  # a worker would not find them yet
    assert fetched(other, 0) == data_of(0)
    with pytest.raises(KeysNotFoundError):
        other.fetch(BOB, sha256_of(0))
    other.scan()
    (entry,) = other.entries()
    assert (entry.principal, entry.keys) == (ALICE.name, found)
    other.delete(ALICE, sha256_of(0))
    with pytest.raises(KeysNotFoundError):
        one.find(ALICE, sha256_of(0))
    assert names(bucket) == []


def test_what_both_take_is_stored_once(opened, bucket):
    one, other = opened(), opened()
    for number in range(3):
        put((one, other)[number % 2], 0)
    assert len([name for name in names(bucket) if "principal" not in name]) == 1
    assert fetched(one, 0) == fetched(other, 0) == data_of(0)
    put(one, 0, keyset=bytes([1]) * 32)
    assert other.find(ALICE, sha256_of(0)).keyset_name == bytes([1]) * 32


def test_a_removal_spares_what_was_put_since_it_looked(opened, bucket):
    """The other server's object of the same keys, which was acknowledged, has a name of its own."""
    one, other = opened(), opened()
    put(one, 0)
    removes = bucket.remove

    def remove(name):
        bucket.remove = removes
        put(other, 0)
        removes(name)

    bucket.remove = remove
    one.delete(ALICE, sha256_of(0))
    assert fetched(other, 0) == fetched(one, 0) == data_of(0)


def test_keys_that_another_server_uses_do_not_make_room(opened):
    dropped = []
    one = opened(quota_bytes=3 * SIZE, on_drop=lambda entry, reason: dropped.append((entry.keys.sha256, reason)))
    other = opened()
    put(one, 0)
    put(one, 1, BOB)
    put(one, 4)
    other.scan()
    time.sleep(2.1)  # objects are dated by whole seconds
    with other._mutex:
        other._note(other._ledger.get(ALICE.folder, sha256_of(0)), 0.0)
    other.expire()
    put(one, 2)
    assert fetched(other, 0) == data_of(0)
    put(one, 3)
    assert sorted(dropped) == sorted([(sha256_of(1), "room"), (sha256_of(4), "room")])
    assert fetched(other, 0) == data_of(0)


def test_a_principals_quota_is_of_what_it_has_everywhere(opened):
    one, other = opened(principal_quota_bytes=2 * SIZE), opened(principal_quota_bytes=2 * SIZE)
    put(one, 0)
    put(one, 1)
    other.fetch(ALICE, sha256_of(0))
    other.fetch(ALICE, sha256_of(1))
    with (
        other.use(ALICE, sha256_of(0)),
        other.use(ALICE, sha256_of(1)),
        pytest.raises(QuotaExceededError, match="yours"),
    ):
        put(other, 2)


@pytest.mark.parametrize("change", [lambda data: data[:-1], lambda data: data[:9] + b"x" + data[10:], lambda _: b""])
def test_damaged_objects_are_refused_and_gone(opened, bucket, change):
    one, other = opened(), opened()
    put(one, 0)
    (name,) = [name for name in names(bucket) if "principal" not in name]
    bucket.put(name, change(data_of(0)))
    with pytest.raises(KeysCorruptedError, match="upload them again"):
        other.fetch(ALICE, sha256_of(0))
    with pytest.raises(KeysNotFoundError):
        other.find(ALICE, sha256_of(0))
    put(other, 0)
    assert fetched(other, 0) == data_of(0)


def test_a_damaged_copy_is_got_again(opened):
    store = opened()
    kept = put(store, 0)
    Path(kept.reference).write_bytes(b"x" * SIZE)
    store.damaged(ALICE, kept.sha256)  # as a call says whose worker found that
    assert fetched(store, 0) == data_of(0)


def test_copies_are_few(opened, monkeypatch):
    store = opened(copies_bytes=2 * SIZE)
    monkeypatch.setattr("cryptable_server.keys.objects.copies._SPARED_SECONDS", -1.0)
    for number in range(4):
        put(store, number)
    store.fetch(ALICE, sha256_of(0))
    with store.use(ALICE, sha256_of(0)):
        store.expire()
    left = {path.name.split(".")[1] for path in store._copies._directory.iterdir()}
    assert left == {sha256_of(0).hex(), sha256_of(3).hex()}
    assert fetched(store, 1) == data_of(1)


def test_what_lies_among_the_keys_is_left_alone(opened, bucket):
    bucket.put("something/else", b"x")
    store = opened()
    store.scan()
    assert store.count == 0
    assert "something/else" in names(bucket)


def test_a_store_that_does_not_answer_is_told_without_its_words(url, place, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("cryptable_server.objects.s3._RETRIES", 0)
    with caplog.at_level(logging.DEBUG, "cryptable_server"):
        for where, endpoint in (("s3://no-such-bucket/keys", url), (place, "http://127.0.0.1:9")):
            with pytest.raises(ConfigurationError, match="--key-store") as raised:
                ObjectKeyStore(open_place(where, endpoint, "--key-store"), tmp_path / "keys", copies_bytes=1)
            told = f"{raised.value} {raised.value.__cause__!r} {[record.__dict__ for record in caplog.records]}"
            assert not any(value in told for name, value in CREDENTIALS.items() if "KEY" in name)
    assert "404" in caplog.records[0].facts["reason"]
    assert os.environ["AWS_SECRET_ACCESS_KEY"]


def test_places():
    assert is_place("s3://bucket")
    assert is_place("s3://bucket/a/b-c")
    for wrong in ("bucket", "s3://", "s3://B", "https://bucket/a", "s3://bucket/a b", "s3://user:word@bucket"):
        assert not is_place(wrong)
        with pytest.raises(ConfigurationError, match="--model-store"):
            open_place(wrong, None, "--model-store")
