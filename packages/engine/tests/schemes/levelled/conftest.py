"""One client for all tests of this folder: making keys takes seconds here."""

import pytest
from cryptable_engine.schemes.levelled.evaluation.server_keys import ServerKeys
from levelled_client import LevelledClient


@pytest.fixture(scope="session")
def client():
    return LevelledClient(2026)


@pytest.fixture(scope="session")
def keys(client):
    return ServerKeys(memoryview(client.evaluation_keys))
