"""Tiny real models, and real servers as processes, for the tests of the server."""

import hashlib
from types import SimpleNamespace

import pytest
from cryptable_engine import Circuit, compile_circuit
from cryptable_server.executors.executor import Evaluation, KeysReference
from cryptable_server.keys.directory import DirectoryKeyStore
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from server_process import (
    infer_header,
    infer_messages,
    is_running,
    linear_circuit,
    make_artifact,
    random_keys,
    row_of,
    run_server,
    tables_circuit,
    upload_messages,
    zero_row,
)

pytest.register_assert_rewrite("executor_contract", "key_store_contract")
SIGNING_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory):
    """tables: 3 lookups, needs keys. linear: no lookups, needs none."""
    directory = tmp_path_factory.mktemp("compiled")
    return {
        "tables": make_artifact("tables", tables_circuit(), directory / "tables"),
        "linear": make_artifact("linear", linear_circuit(), directory / "linear"),
    }


@pytest.fixture(scope="session")
def models(artifacts, tmp_path_factory):
    """A directory of both artifacts, of which linear is signed."""
    directory = tmp_path_factory.mktemp("models")
    artifacts["tables"].save(directory / "tables.cryptable")
    artifacts["linear"].signed(SIGNING_KEY).save(directory / "linear.cryptable")
    return directory


@pytest.fixture(scope="session")
def programs(tmp_path_factory):
    """One cache of compiled programs for all servers of the session."""
    return tmp_path_factory.mktemp("programs", numbered=False)


@pytest.fixture(scope="session")
def start(models, programs, tmp_path_factory):
    """Starts a server with options of its own: `with start("--queue", "1") as server`."""

    def starter(*options, folder=None, models=models, **keywords):
        folder = folder or tmp_path_factory.mktemp("server")
        return run_server(models, folder, *options, programs=programs, **keywords)

    return starter


@pytest.fixture(scope="session")
def server(start):
    """One server that many tests share."""
    with start() as running:
        yield running


@pytest.fixture(scope="session")
def wire():
    """Makers of the messages that a client sends."""
    functions = (random_keys, upload_messages, infer_header, row_of, infer_messages)
    return SimpleNamespace(**{function.__name__: function for function in functions})


@pytest.fixture(scope="session")
def process_runs():
    """Whether a process of that id is there, and not merely waited for."""
    return is_running


@pytest.fixture(scope="session")
def compiled(artifacts, tmp_path_factory):
    """Programs of both models."""
    directory = tmp_path_factory.mktemp("programs-of-executor")
    return {
        name: compile_circuit(Circuit.from_bytes(artifact.circuit), artifact.compile_options, directory / name)
        for name, artifact in artifacts.items()
    }


@pytest.fixture
def quick(compiled):
    """An evaluation of a millisecond."""
    program = compiled["linear"]
    return Evaluation(str(program.directory), zero_row(program), None)


@pytest.fixture
def keyed(compiled, tmp_path):
    """An evaluation that needs keys, which lie in a file."""
    program = compiled["tables"]
    data = bytes(program.keyset.evaluation_keys_bytes)
    (tmp_path / "keys").write_bytes(data)
    keys = KeysReference(hashlib.sha256(data).digest(), "owner", str(tmp_path / "keys"), 1 << 20)
    return Evaluation(str(program.directory), zero_row(program), keys)


@pytest.fixture
def opened(tmp_path):
    """Opens the key store of a test, again and again; one at a time is open."""
    stores = []

    def open_store(**options):
        for store in stores:
            store.close()
        stores[:] = [DirectoryKeyStore(tmp_path / "keys", **options)]
        return stores[0]

    yield open_store
    for store in stores:
        store.close()
