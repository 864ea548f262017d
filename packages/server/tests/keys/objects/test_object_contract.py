"""ObjectKeyStore does what every key store does, on a server of the S3 protocol."""

from itertools import count
from pathlib import Path
from types import SimpleNamespace

import key_store_contract
import object_stores
import pytest
from cryptable_server.keys import clock as store_clock
from cryptable_server.keys.objects import copies, listed, object_store
from cryptable_server.objects import bucket as buckets
from cryptable_server.objects.places import open_place
from key_store_contract import Place

COPIES = 1 << 30


@pytest.fixture(scope="module")
def url():
    with object_stores.object_server() as url:
        yield url


@pytest.fixture(autouse=True)
def _credentials(monkeypatch):
    for name, value in object_stores.CREDENTIALS.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("check", key_store_contract.CHECKS, ids=lambda check: check.__name__)
def test_object_store(check, url, monkeypatch, tmp_path):
    seconds = [1_000_000.0]
    nanoseconds = count(10**18)
    clock = SimpleNamespace(monotonic=lambda: seconds[0], time=lambda: seconds[0], time_ns=lambda: next(nanoseconds))
    for module in (store_clock, copies, listed, object_store, buckets):
        monkeypatch.setattr(module, "time", clock)
    object_stores.set_clock(monkeypatch, lambda: seconds[0])
    place, stores = object_stores.new_place(url), []

    def opened(**options):
        for store in stores:
            store.close()
        store = object_store.ObjectKeyStore(
            open_place(place, url, "--key-store"), tmp_path / "keys", copies_bytes=COPIES, **options
        )
        stores.append(store)
        store.scan()
        return store

    def pass_by(more):
        seconds[0] += more

    check(Place(opened, pass_by, lambda reference: Path(reference).read_bytes()))
    for store in stores:
        store.close()
