import pytest
from cryptable_server.config import ServerConfig, WorkerConfig, is_loopback, join_address, split_address
from cryptable_server.errors import ConfigurationError


@pytest.mark.parametrize(
    ("address", "pair"),
    [
        ("127.0.0.1:50051", ("127.0.0.1", 50051)),
        ("localhost:0", ("localhost", 0)),
        ("[::1]:80", ("::1", 80)),
        ("models.example.org:443", ("models.example.org", 443)),
    ],
)
def test_addresses_are_split_and_joined(address, pair):
    assert split_address(address) == pair
    assert join_address(*pair) == address


@pytest.mark.parametrize("address", ["", "localhost", ":80", "localhost:", "localhost:x", "::1:80", "a:-1", "a:²"])
def test_other_addresses_are_refused(address):
    with pytest.raises(ConfigurationError, match="--address"):
        split_address(address)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost"])
def test_loopback(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.org", "localhost.example.org", ""])
def test_not_loopback(host):
    assert not is_loopback(host)


def config(tmp_path, **changes):
    fields = {"models": tmp_path, "keys": tmp_path, "programs": tmp_path, "host": "127.0.0.1", "port": 0, "tls": None}
    return ServerConfig(**{**fields, "workers": WorkerConfig(count=1, threads=1), **changes})


def test_without_tls_only_loopback(tmp_path):
    assert config(tmp_path).address == "127.0.0.1:0"
    with pytest.raises(ConfigurationError, match="--insecure"):
        config(tmp_path, host="0.0.0.0")


def test_models_must_exist(tmp_path):
    with pytest.raises(ConfigurationError, match=r"--models .*missing"):
        config(tmp_path, models=tmp_path / "missing")


@pytest.mark.parametrize(
    ("field", "option"),
    [
        ("count", "--workers"),
        ("threads", "--threads-per-worker"),
        ("queue_rows", "--queue"),
        ("key_memory_bytes", "--key-memory"),
        ("evaluation_seconds", "--evaluation-timeout"),
    ],
)
def test_worker_settings_must_be_positive(field, option):
    with pytest.raises(ConfigurationError, match=option):
        WorkerConfig(**{"count": 1, "threads": 1, field: 0})
