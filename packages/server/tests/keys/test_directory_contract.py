"""DirectoryKeyStore does what every key store does."""

from pathlib import Path

import key_store_contract
import pytest
from cryptable_server.keys import clock as store_clock
from key_store_contract import Place


@pytest.mark.parametrize("check", key_store_contract.CHECKS, ids=lambda check: check.__name__)
def test_directory(check, opened, monkeypatch):
    seconds = [1000.0]
    monkeypatch.setattr(store_clock.time, "monotonic", lambda: seconds[0])

    def pass_by(more):
        seconds[0] += more

    check(Place(opened, pass_by, lambda reference: Path(reference).read_bytes()))
