"""Files of tensors, and the whole way by hand: on the user's device nothing may import grpc."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest
from cryptable_client import decrypt, encrypt
from cryptable_client.__main__ import main
from cryptable_client.files import tensors
from cryptable_client.files.tensors import TensorFile, TensorKind, write_tensors
from cryptable_client.schemes.scheme import read_tensor
from cryptable_protocol import LimitExceededError, MalformedMessageError

PASSPHRASE = "correct horse battery"
WITHOUT_GRPC = """
import sys
sys.modules["grpc"] = None
from cryptable_client.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(autouse=True)
def _passphrase(monkeypatch):
    monkeypatch.setenv("CRYPTABLE_PASSPHRASE", PASSPHRASE)


def test_by_hand_without_grpc_on_the_users_device(echo, tmp_path):
    def device(*arguments):
        command = [sys.executable, "-c", WITHOUT_GRPC, *map(str, arguments)]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)

    server = ["--address", echo.address, "--insecure", "--model", "echo"]
    assert main(["spec", *server, "--output", str(tmp_path / "spec")]) == 0
    (tmp_path / "data.csv").write_text("age,dose\n22,3.0\n30,15.5\n")
    made = device("keygen", "--spec", "spec", "--output", "keys", "--evaluation-keys")
    assert made.returncode == 0, made.stderr
    encrypted = device("encrypt", "--spec", "spec", "--keys", "keys", "--input", "data.csv", "--output", "rows")
    assert encrypted.returncode == 0, encrypted.stderr
    relay = ["relay", *server, "--evaluation-keys", str(tmp_path / "keys.evaluation-keys")]
    files = ["--input", str(tmp_path / "rows"), "--output", str(tmp_path / "answers")]
    assert main([*relay, *files]) == 0
    decrypted = device("decrypt", "--spec", "spec", "--keys", "keys", "--input", "answers", "--output", "-")
    assert decrypted.returncode == 0, decrypted.stderr
    assert decrypted.stdout.splitlines()[1:] == ["1.0,1.0,1.0,0.0,0.0,6.0", "1.0,1.0,1.0,1.0,1.0,31.0"]
    online = device("models", "--address", "127.0.0.1:1", "--insecure")
    assert "grpc" in online.stderr  # it really was absent


def test_relay_refuses_rows_of_another_model(echo, spec, tmp_path, capsys):
    write_tensors(tmp_path / "rows", [], kind=TensorKind.ROWS, client_spec_digest=bytes(32))
    arguments = ["--input", str(tmp_path / "rows"), "--output", str(tmp_path / "answers")]
    assert main(["relay", "--address", echo.address, "--insecure", "--model", "echo", *arguments]) == 4
    assert "the model was replaced in the meantime" in capsys.readouterr().err
    assert set(echo.calls) == {"GetModel"}


@pytest.fixture
def written(spec, secret_keys, tmp_path):
    tensors = [encrypt(spec, secret_keys, np.full(spec.input.size, value)) for value in range(3)]
    path = tmp_path / "rows"
    assert write_tensors(path, tensors, kind=TensorKind.ROWS, client_spec_digest=spec.digest) == 3
    return path


def opened(path, spec, kind=TensorKind.ROWS):
    return list(TensorFile.open(path, kind=kind, client_spec_digest=spec.digest).messages())


def test_tensors_come_back(written, spec, secret_keys):
    values = [decrypt(spec, secret_keys, read_tensor(spec, message)) for message in opened(written, spec)]
    np.testing.assert_array_equal(values, [[value] * spec.input.size for value in range(3)])


def resealed(data):
    return data + hashlib.sha256(data).digest()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: b"", "too few"),
        (lambda data: b"x" + data[1:], "no file of encrypted tensors"),
        (lambda data: data[:-1] + bytes([data[-1] ^ 1]), "checksum"),
        (lambda data: data[:100] + data[101:], "checksum"),
        (lambda data: resealed(data[:16] + b"\2" + data[17:-32]), "format version 2"),
        (lambda data: resealed(data[:17] + b"\2" + data[18:-32]), "kind 2, expected rows"),
        (lambda data: resealed(data[:18] + bytes(32) + data[50:-32]), "belongs to client spec 0000"),
        (lambda data: resealed(data[:52]), "inside the length"),
        (lambda data: resealed(data[:-33]), "inside a tensor"),
        (lambda data: resealed(data[:50] + b"\0\0\0\5" + data[54:-32]), "at most 67108864"),
        (lambda data: resealed(data[:50] + b"\1\0\0\0\xff"), "encrypted tensor"),
    ],
)
def test_damaged_files(written, spec, change, message):
    written.write_bytes(change(written.read_bytes()))
    with pytest.raises((MalformedMessageError, LimitExceededError), match=message):
        opened(written, spec)


def test_a_write_that_fails_leaves_the_old_file(written, spec):
    before = written.read_bytes()

    def broken():
        raise KeyboardInterrupt
        yield

    with pytest.raises(KeyboardInterrupt):
        write_tensors(written, broken(), kind=TensorKind.ROWS, client_spec_digest=spec.digest)
    assert written.read_bytes() == before
    assert list(written.parent.iterdir()) == [written]


def test_answers_are_not_rows(written, spec):
    with pytest.raises(MalformedMessageError, match="expected answers"):
        opened(written, spec, tensors.TensorKind.ANSWERS)
