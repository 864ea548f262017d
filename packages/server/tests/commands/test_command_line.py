import shutil
import subprocess
import sys

import pytest
from cryptable_server import __version__
from cryptable_server.calls.tls import credentials


def run(*arguments):
    command = [sys.executable, "-m", "cryptable_server", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_version():
    assert run("--version").stdout == f"cryptable-server {__version__}\n"


def test_help_teaches():
    text = run("serve", "--help").stdout
    for word in ("examples:", "exit status:", "--development-certificate", "--insecure", "never a secret key"):
        assert word in text


def refused(status, *arguments):
    result = run(*arguments)
    assert result.returncode == status, result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
    return result.stderr


def test_no_command_is_a_usage_error():
    assert "COMMAND" in refused(2)


def test_without_a_certificate_the_choices_are_told(models, tmp_path):
    message = refused(2, "serve", "--models", models, "--keys", tmp_path)
    for option in ("--tls-certificate", "--development-certificate", "--insecure"):
        assert option in message


def test_two_kinds_of_connection_are_refused(models, tmp_path):
    options = ["--insecure", "--development-certificate", tmp_path]
    assert "choose one" in refused(2, "serve", "--models", models, "--keys", tmp_path, *options)


def test_certificate_and_key_go_together(models, tmp_path):
    assert "--tls-key" in refused(2, "serve", "--models", models, "--keys", tmp_path, "--tls-certificate", tmp_path)


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "example.org:0"])
def test_insecure_is_for_loopback(models, tmp_path, address):
    message = refused(2, "serve", "--models", models, "--keys", tmp_path, "--insecure", "--address", address)
    assert "loopback" in message


def test_a_missing_directory_of_models_is_named(tmp_path):
    message = refused(2, "serve", "--models", tmp_path / "none", "--keys", tmp_path, "--insecure")
    assert "--models" in message


def test_a_directory_without_artifacts(tmp_path):
    message = refused(3, "serve", "--models", tmp_path, "--keys", tmp_path / "keys", "--insecure")
    assert "no *.cryptable file" in message


def test_only_bad_artifacts(tmp_path):
    (tmp_path / "bad.cryptable").write_text("garbage")
    message = refused(3, "serve", "--models", tmp_path, "--keys", tmp_path / "keys", "--insecure")
    assert "none of 1 artifacts" in message
    assert '"artifact refused", "file": "bad.cryptable"' in message


def test_two_artifacts_of_one_name(encrypted, tmp_path):
    models = encrypted.models
    for name in ("one", "two"):
        shutil.copy(models / "linear.cryptable", tmp_path / f"{name}.cryptable")
    message = refused(3, "serve", "--models", tmp_path, "--keys", tmp_path / "keys", "--insecure")
    assert "'linear'" in message
    assert "one.cryptable" in message
    assert "two.cryptable" in message


def test_a_port_that_is_taken(server, encrypted, tmp_path):
    models, programs = encrypted.models, encrypted.programs
    options = ["--keys", tmp_path, "--programs", programs, "--insecure", "--address", server.address]
    assert server.address in refused(4, "serve", "--models", models, *options)


def test_a_foreign_private_key(models, tmp_path):
    one, two = (credentials.development_files(tmp_path / name) for name in "ab")
    options = ["--tls-certificate", one.certificate, "--tls-key", two.private_key]
    assert "--tls-key" in refused(2, "serve", "--models", models, "--keys", tmp_path / "keys", *options)
