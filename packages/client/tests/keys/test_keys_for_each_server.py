"""One keyset for all models is no one secret for all servers: folders of keys have a set for each address."""

import importlib.util
import re
from contextlib import ExitStack
from datetime import datetime, timedelta, timezone
from pathlib import Path

import grpc
import numpy as np
import pytest
from cryptable_client.__main__ import main
from cryptable_client.keys.directory import KeyDirectory, Upload
from cryptable_protocol import InvalidInputError
from cryptable_protocol.schemes.levelled.keyset import UNIVERSAL
from cryptable_protocol.schemes.ring_tensor import RingTensor

PASSPHRASE = "correct horse battery"
HERE, THERE = "here:1", "there:1"
DEFAULT_NAME = UNIVERSAL.name.hex()[:16]


@pytest.fixture(autouse=True)
def _passphrase(monkeypatch):
    monkeypatch.setenv("CRYPTABLE_PASSPHRASE", PASSPHRASE)


@pytest.fixture(scope="module")
def example():
    path = Path(__file__).parents[1] / "schemes" / "levelled" / "example.py"
    found = importlib.util.spec_from_file_location("example_of_levelled", path)
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.fixture
def servers(example, servicer_module):
    """Two, of one levelled model."""

    class Levelled(servicer_module.EchoServicer):
        def evaluate(self, row):
            return example.evaluate(RingTensor.from_message(row)).to_message()

    with ExitStack() as stack:
        made = [Levelled(example.make_spec()) for _ in range(2)]
        for server in made:
            server.address = stack.enter_context(servicer_module.serving(server))
        yield made


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "keys"


@pytest.fixture
def predict(folder, tmp_path):
    (tmp_path / "data.csv").write_text("age,dose\n50,0.0\n30,1.0\n")

    def predict(server, *arguments):
        files = ["--input", str(tmp_path / "data.csv"), "--output", str(tmp_path / "out.csv")]
        given = ["--address", server.address, "--insecure", "--no-pins", "--key-directory", str(folder)]
        (tmp_path / "out.csv").unlink(missing_ok=True)
        status = main(["predict", "--model", server.spec.model_name, *given, *files, *arguments])
        if not status:
            lines = (tmp_path / "out.csv").read_text().splitlines()[1:]
            assert lines == ["1.0,0.0", "1.0,1.0"]
        return status

    return predict


def digests(server):
    return {digest.hex() for digest in server.keys}


def secrets(folder):
    directory, found = KeyDirectory(folder), {}
    for entry in directory.entries():
        with directory.load(entry.name, passphrase=PASSPHRASE) as keys:
            found[entry.name] = np.array(keys._key_material())
    return found


def test_two_servers_two_secrets(predict, servers, folder, capsys):
    one, other = servers
    for server in (one, other, one, other):
        assert predict(server) == 0
    made = re.findall(r"made keys (\S+), for (\S+) alone", capsys.readouterr().err)
    assert made == [(DEFAULT_NAME, one.address), (f"{DEFAULT_NAME}-2", other.address)]
    assert len(one.uploads) == len(other.uploads) == 1  # each server's are found again
    assert not digests(one) & digests(other)
    for server, (name, _) in zip(servers, made, strict=True):
        uploads = KeyDirectory(folder).entry(name).uploads
        assert [(each.address, {each.sha256}) for each in uploads] == [(server.address, digests(server))]
    first, second = secrets(folder).values()
    assert (first != second).mean() > 0.5  # independent: two thirds of the coefficients


def test_sharing_is_said(predict, servers, folder):
    one, other = servers
    assert predict(one) == 0
    assert predict(other, "--share-keys") == 0
    assert digests(one) == digests(other)
    assert len(secrets(folder)) == 1
    assert predict(other) == 0  # what a server knows already is its own
    assert len(other.uploads) == 1


def test_sharing_makes_keys_where_there_are_none(predict, servers, folder):
    for server in servers:
        assert predict(server, "--share-keys") == 0
    assert len(secrets(folder)) == 1


def test_sharing_is_about_folders(servers, tmp_path, capsys):
    (tmp_path / "data.csv").write_text("age,dose\n50,0.0\n")
    server = ["--address", servers[0].address, "--insecure", "--no-pins", "--model", "linear"]
    files = ["--input", str(tmp_path / "data.csv"), "--output", str(tmp_path / "out.csv")]
    assert main(["predict", *server, *files, "--share-keys"]) == 3
    assert "--key-directory" in capsys.readouterr().err
    assert not servers[0].uploads


def test_the_help_says_what_sharing_tells(capsys):
    with pytest.raises(SystemExit):
        main(["predict", "--help"])
    assert "they can then tell that you are one user" in " ".join(capsys.readouterr().out.split())


def test_an_upload_that_breaks_binds_the_keys_too(predict, servers, folder):
    """The first server has seen their first bytes: nobody else may."""
    one, other = servers
    one.failures = {"UploadEvaluationKeys": [(grpc.StatusCode.RESOURCE_EXHAUSTED, "full")]}
    assert predict(one) == 5
    assert predict(other) == 0
    assert predict(one) == 0
    assert not digests(one) & digests(other)
    assert len(secrets(folder)) == 2


def test_keys_made_beforehand_are_the_first_servers(predict, servers, folder, capsys):
    one, other = servers
    server = ["--address", one.address, "--insecure", "--no-pins", "--model", "linear"]
    assert main(["keys", "new", *server, "--key-directory", str(folder), "--name", "mine"]) == 0
    assert "of the first server that they are used with" in capsys.readouterr().err
    for each in (one, other):
        assert predict(each) == 0
    directory = KeyDirectory(folder)
    assert directory.find(UNIVERSAL, one.address).name == "mine"
    assert directory.find(UNIVERSAL, other.address).name == DEFAULT_NAME


def test_rotated_keys_are_nobodys(predict, servers, folder):
    one, other = servers
    assert predict(one) == 0
    assert main(["keys", "rotate", DEFAULT_NAME, "--key-directory", str(folder)]) == 0
    assert not one.keys
    assert predict(other) == 0
    assert len(secrets(folder)) == 1


def test_damaged_keys_may_be_the_servers(predict, servers, folder, capsys):
    """Further ones would leave those on the server for good."""
    assert predict(servers[0]) == 0
    (folder / f"{DEFAULT_NAME}.keys").write_bytes(b"not keys")
    assert predict(servers[0]) == 3
    assert f"{servers[0].address} alone may know (damaged" in capsys.readouterr().err


def used(directory, name, *addresses, keyset=UNIVERSAL, days=None):
    expires = None if days is None else datetime.now(timezone.utc) + timedelta(days=days)
    directory.create(keyset, name=name, passphrase=PASSPHRASE, expires=expires).close()
    for address in addresses:
        directory.record(name, Upload(address, "00" * 32))


def test_which_are_found(folder):
    directory = KeyDirectory(folder)
    assert directory.needs_keys(UNIVERSAL, HERE)
    used(directory, "a", THERE)
    for address in (HERE, None):
        with pytest.raises(InvalidInputError, match="alone may know"):
            directory.find(UNIVERSAL, address)
    assert directory.find(UNIVERSAL, THERE).name == directory.find(UNIVERSAL, HERE, share=True).name == "a"
    used(directory, "b", HERE, days=2)
    used(directory, "c")
    assert directory.find(UNIVERSAL, HERE).name == "b"  # its own, although others expire later
    assert directory.find(UNIVERSAL).name == "c"
    assert not directory.needs_keys(UNIVERSAL, "elsewhere:1")
    assert directory.free_name(UNIVERSAL) == DEFAULT_NAME


def test_expired_keys_make_way(folder, monkeypatch):
    from cryptable_client.keys import lifetime

    directory = KeyDirectory(folder)
    used(directory, "a", HERE, days=1)
    used(directory, "b", days=9)
    now = lifetime.time.time()
    monkeypatch.setattr(lifetime.time, "time", lambda: now + 2 * 86400)
    assert directory.find(UNIVERSAL, HERE).name == "b"


def test_keysets_of_the_scheme_bootstrapped_ask_for_no_address(folder, keyset):
    assert not keyset.is_universal
    directory = KeyDirectory(folder)
    assert not directory.needs_keys(keyset, HERE)
    used(directory, "a", HERE, THERE, keyset=keyset)
    used(directory, "b", HERE, keyset=keyset, days=9)
    for address in (HERE, THERE, "elsewhere:1", None):
        assert directory.find(keyset, address).name == "a"
