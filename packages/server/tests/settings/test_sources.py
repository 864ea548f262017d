"""Options go before variables, variables before a file; every refusal names the setting and where it was set."""

import os
import subprocess
import sys

import pytest
from cryptable_server.errors import ConfigurationError
from cryptable_server.settings.config import declared_settings
from cryptable_server.settings.sources import load


@pytest.fixture
def file(tmp_path):
    """Writes a file of settings, in which `models` is a directory beside it."""
    (tmp_path / "models").mkdir()

    def write(text=""):
        path = tmp_path / "server.toml"
        path.write_text(f'models = "models"\n{text}\n', encoding="utf-8")
        return str(path)

    return write


def origins(loaded, *names):
    return [(loaded.values[name].raw, loaded.values[name].origin) for name in names]


def test_precedence(file):
    path = file("insecure = true\nqueue = 1\nworkers = 2\nmax-rows = 3")
    variables = {"CRYPTABLE_SERVER_WORKERS": "4", "CRYPTABLE_SERVER_MAX_ROWS": "5", "PATH": "/bin"}
    loaded = load({"max-rows": "6"}, variables, path)
    expected = [(1, path), (4, "CRYPTABLE_SERVER_WORKERS"), (6, "--max-rows"), (256, "default")]
    assert origins(loaded, "queue", "workers", "max-rows", "max-calls") == expected
    config = loaded.config
    assert (config.workers.queue_rows, config.workers.count, config.max_rows, config.max_calls) == (1, 4, 6, 256)


def test_the_file_may_be_named_by_a_variable(file):
    path = file("insecure = true\nqueue = 7")
    assert load({}, {"CRYPTABLE_SERVER_CONFIG": path}).config.workers.queue_rows == 7


def test_paths_in_a_file_are_relative_to_it(file, tmp_path):
    config = load({"keys": "k"}, {}, file('insecure = true\ntokens = "t.json"')).config
    assert config.models == tmp_path / "models"
    assert config.tokens == tmp_path / "t.json"
    assert str(config.keys) == "k"


def test_defaults_that_follow_from_other_settings(file, tmp_path):
    path = file("insecure = true\nworkers = 1000\nqueue = 9\nkey-quota = 8")
    assert load({"keys": "a/b"}, {}, path).config.programs.parts == ("a", "programs")
    config = load({}, {}, path).config
    assert config.workers.threads == 1
    assert (config.workers.queue_rows_per_principal, config.principal_key_quota_bytes) == (None, None)
    config = load({"tokens": "t"}, {}, path).config
    assert (config.workers.queue_rows_per_principal, config.principal_key_quota_bytes) == (4, 2 << 30)


def test_another_kind_of_connection_replaces_that_of_a_lower_source(file):
    path = file('development-certificate = "tls"')
    assert load({}, {}, path).config.development_certificate is not None
    config = load({"insecure": "true"}, {}, path).config
    assert (config.insecure, config.development_certificate) == (True, None)
    assert load({"insecure": "false"}, {}, path).config.development_certificate is not None
    pair = {"CRYPTABLE_SERVER_TLS_CERTIFICATE": "c", "CRYPTABLE_SERVER_TLS_KEY": "k"}
    assert str(load({}, pair, path).config.tls_key) == "k"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("key-qouta = 1", "no setting key-qouta; did you mean key-quota?"),
        ("key_quota = 1", "no setting key_quota; did you mean key-quota?"),
        ("zzz = 1", "no setting zzz"),
        ("[workers]\ncount = 1", "workers = {'count': 1} is not a whole number"),
        ("workers = 0", "workers = 0 must be at least 1"),
        ('workers = "2"', "workers = '2' is not a whole number"),
        ("key-memory = 0", "key-memory = 0 must be more than 0"),
        ('log-level = "LOUD"', "log-level = 'LOUD' is none of DEBUG, INFO"),
        ('address = "here"', "address = 'here' is not HOST:PORT"),
        ('tokens = ""', "tokens = '' is empty"),
        ("workers = ", "is not TOML"),
        ("workers = 1\nworkers = 2", "is not TOML"),
    ],
)
def test_bad_files_are_refused_by_name(file, text, message):
    path = file(text)
    with pytest.raises(ConfigurationError) as caught:
        load({"insecure": "true"}, {}, path)
    assert path in str(caught.value)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("CRYPTABLE_SERVER_WORKERS", "none", "CRYPTABLE_SERVER_WORKERS=none is not a whole number"),
        ("CRYPTABLE_SERVER_TOKENS", "", "CRYPTABLE_SERVER_TOKENS= is empty"),
        ("CRYPTABLE_SERVER_INSECURE", "maybe", "CRYPTABLE_SERVER_INSECURE=maybe is neither true nor false"),
        ("CRYPTABLE_SERVER_WORKER", "1", "no setting; did you mean CRYPTABLE_SERVER_WORKERS?"),
    ],
)
def test_bad_variables_are_refused_by_name(file, variable, value, message):
    with pytest.raises(ConfigurationError) as caught:
        load({}, {variable: value}, file("insecure = true"))
    assert message in str(caught.value)


def test_variables_that_kubernetes_sets_are_not_settings(file):
    there = {f"CRYPTABLE_SERVER_{name}": "x" for name in ("SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_GRPC", "PORT")}
    there |= {f"CRYPTABLE_SERVER_PORT_50051_TCP{name}": "x" for name in ("", "_PROTO", "_PORT", "_ADDR")}
    assert load({}, there, file("insecure = true")).config.insecure


def test_settings_that_do_not_fit_are_told_with_where_they_were_set(file):
    path = file('address = "0.0.0.0:1"')
    with pytest.raises(ConfigurationError) as caught:
        load({}, {"CRYPTABLE_SERVER_INSECURE": "true"}, path)
    assert f"insecure: CRYPTABLE_SERVER_INSECURE; address: {path}" in str(caught.value)


def test_models_must_be_given():
    with pytest.raises(ConfigurationError, match=r"--models is needed.*CRYPTABLE_SERVER_MODELS"):
        load({"insecure": "true"}, {})


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match=r"none\.toml: No such file"):
        load({}, {}, str(tmp_path / "none.toml"))


def serve(*arguments, **variables):
    command = [sys.executable, "-m", "cryptable_server", "serve", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env={**os.environ, **variables})


def test_the_printed_configuration_reads_back_as_itself(tmp_path, file):
    path = file("insecure = true\nkey-days = 0.1\nkey-quota = 0.3")
    options = ["--config", path, "--log-level", "DEBUG", "--tokens", 'odd "name"\\', "--print-config"]
    printed = serve(*options, CRYPTABLE_SERVER_METRICS="[::1]:9")
    assert (printed.returncode, printed.stderr) == (0, "")
    assert f"key-days = 0.1  # {path}\n" in printed.stdout
    assert 'log-level = "DEBUG"  # --log-level\n' in printed.stdout
    assert 'metrics = "[::1]:9"  # CRYPTABLE_SERVER_METRICS\n' in printed.stdout
    assert "# client-ca is not set\n" in printed.stdout
    for _, declared in declared_settings():
        assert f"{declared.name} " in printed.stdout
    (tmp_path / "again").mkdir()
    again = tmp_path / "again" / "printed.toml"
    again.write_text(printed.stdout)
    reprinted = serve("--config", str(again), "--print-config")

    def values(text):
        return [line.partition("  #")[0] for line in text.splitlines()]

    assert values(reprinted.stdout) == values(printed.stdout)


def test_an_unknown_option_is_refused_with_a_suggestion():
    result = serve("--key-qouta", "1")
    assert result.returncode == 2
    assert "unknown argument --key-qouta; did you mean --key-quota?" in result.stderr
