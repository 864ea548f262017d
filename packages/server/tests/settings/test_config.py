import pytest
from cryptable_server.errors import ConfigurationError
from cryptable_server.settings.config import ServerConfig, declared_settings
from cryptable_server.settings.worker_config import WorkerConfig


def config(tmp_path, **changes):
    fields = {"models": tmp_path, "keys": tmp_path, "programs": tmp_path, "insecure": True}
    return ServerConfig(**{**fields, "workers": WorkerConfig(count=1, threads=1), **changes})


def test_without_tls_only_loopback(tmp_path):
    assert config(tmp_path).address == "127.0.0.1:50051"
    with pytest.raises(ConfigurationError, match="--insecure"):
        config(tmp_path, listen=("0.0.0.0", 0))


def test_models_must_exist(tmp_path):
    with pytest.raises(ConfigurationError, match=r"--models .*missing"):
        config(tmp_path, models=tmp_path / "missing")


def test_certificates_of_clients_need_one_of_the_server(tmp_path):
    with pytest.raises(ConfigurationError, match="--client-ca needs TLS"):
        config(tmp_path, client_ca=tmp_path / "ca.pem")


PAGE = "https://page.example.org"
NO_WEB = {
    "origins without an address": {"web_origins": (PAGE,)},
    "all origins": {"web_listen": ("127.0.0.1", 0), "web_origins": ("*",)},
    "an origin with a path": {"web_listen": ("127.0.0.1", 0), "web_origins": (PAGE + "/",)},
    "an origin in upper case": {"web_listen": ("127.0.0.1", 0), "web_origins": ("https://Page.example.org",)},
    "no origin": {"web_listen": ("127.0.0.1", 0), "web_origins": ("null",)},
    "an address that others reach": {"web_listen": ("0.0.0.0", 0)},
}


@pytest.mark.parametrize("settings", NO_WEB.values(), ids=NO_WEB)
def test_settings_of_pages_that_cannot_be(tmp_path, settings):
    with pytest.raises(ConfigurationError, match="--web-"):
        config(tmp_path, **settings)


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


def test_settings_are_named_once_and_never_as_kubernetes_names_variables():
    names = [declared.name for _, declared in declared_settings()]
    assert len(names) == len(set(names)) > 25
    assert not [name for name in names if name.startswith(("port", "service-")) or name == "config"]


def test_each_setting_helps():
    for _, declared in declared_settings():
        assert declared.help, declared.name
        assert declared.group, declared.name
        assert declared.required or declared.shown_default, declared.name
