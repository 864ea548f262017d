"""Tiny models, and real servers as processes, for the tests of the server.

Models are of the scheme `clear` (see `clear_parameters`): what calls, keys, queues and processes do does not depend on
what a row is. Tests of compilation, of memory and of the words of an answer take the fixture `encrypted`, which has the
same models under encryption.
"""

import hashlib
from functools import cached_property, partial
from pathlib import Path
from tempfile import mkdtemp
from types import SimpleNamespace

import clear_entry_points
import pytest
from clear_parameters import CLEAR
from clear_scheme import clear_is_registered
from cryptable_engine import Circuit, compile_circuit
from cryptable_protocol.schemes.scheme import BOOTSTRAPPED
from cryptable_server.executors.executor import Evaluation, KeysReference
from cryptable_server.executors.local import LocalExecutor
from cryptable_server.keys.directory import DirectoryKeyStore
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from parted_model import PartedModel
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


@pytest.fixture(autouse=True)
def _clear():
    """Whoever reads a specification in these tests knows the scheme."""
    with clear_is_registered():
        yield


def _made(scheme, folder):
    """Artifacts by name, and a directory of them, of which linear is signed."""
    with clear_is_registered():
        artifacts = {
            "tables": make_artifact("tables", tables_circuit(), folder / "tables", scheme=scheme),
            "linear": make_artifact("linear", linear_circuit(), folder / "linear", scheme=scheme),
        }
    models = folder / "models"
    models.mkdir()
    artifacts["tables"].save(models / "tables.cryptable")
    artifacts["linear"].signed(SIGNING_KEY).save(models / "linear.cryptable")
    return artifacts, models


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory):
    """tables: 3 lookups, needs keys. linear: no lookups, needs none."""
    return _made(CLEAR, tmp_path_factory.mktemp("compiled"))[0]


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
        return run_server(models, folder, *options, programs=programs, command=clear_entry_points.COMMAND, **keywords)

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


def _compiled(artifacts, directory):
    with clear_is_registered():
        return {
            name: compile_circuit(
                Circuit.from_bytes(artifact.circuit),
                artifact.compile_options,
                directory / name,
                promised=artifact.client_spec.parameters,
            )
            for name, artifact in artifacts.items()
        }


def _quick(compiled):
    program = compiled["linear"]
    return Evaluation(str(program.directory), zero_row(program), None)


def _keyed(compiled, folder):
    program = compiled["tables"]
    data = bytes(program.parameters.keyset.evaluation_keys_bytes)
    (folder / "keys").write_bytes(data)
    keys = KeysReference(hashlib.sha256(data).digest(), "owner", str(folder / "keys"), 1 << 20)
    return Evaluation(str(program.directory), zero_row(program), keys)


@pytest.fixture(scope="session")
def compiled(artifacts, tmp_path_factory):
    """Programs of both models."""
    return _compiled(artifacts, tmp_path_factory.mktemp("programs-of-executor"))


@pytest.fixture(scope="session")
def local_executor():
    """Makes a LocalExecutor whose workers know the scheme of these models."""
    return partial(LocalExecutor, entry_points=clear_entry_points.entry_points())


@pytest.fixture
def quick(compiled):
    """An evaluation of a millisecond."""
    return _quick(compiled)


@pytest.fixture
def keyed(compiled, tmp_path):
    """An evaluation that needs keys, which lie in a file."""
    return _keyed(compiled, tmp_path)


@pytest.fixture(scope="session")
def parted_model(tmp_path_factory):
    """A network of squares modulo two moduli: its rows can be evaluated in two parts."""
    made = PartedModel(tmp_path_factory.mktemp("squares"))
    yield made
    made.close()


class _Encrypted:
    """The fixtures above under encryption, made when they are first asked for."""

    def __init__(self, folder):
        self._folder = folder

    @cached_property
    def _made(self):
        return _made(BOOTSTRAPPED, self._folder)

    @property
    def artifacts(self):
        return self._made[0]

    @property
    def models(self):
        return self._made[1]

    @cached_property
    def programs(self):
        return Path(mkdtemp(dir=self._folder))

    @cached_property
    def compiled(self):
        return _compiled(self.artifacts, self._folder / "programs-of-executor")

    @property
    def quick(self):
        return _quick(self.compiled)

    def keyed(self, folder):
        return _keyed(self.compiled, folder)

    def start(self, *options, folder=None, models=None, **keywords):
        folder = folder or Path(mkdtemp(dir=self._folder))
        return run_server(models or self.models, folder, *options, programs=self.programs, **keywords)


@pytest.fixture(scope="session")
def encrypted(tmp_path_factory):
    """`artifacts`, `models`, `compiled` and so on, but of the scheme `bootstrapped`, in ordinary processes."""
    return _Encrypted(tmp_path_factory.mktemp("encrypted"))


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
