import socket

import pytest
from cryptable_server.lifecycle.systemd import sd_notify


@pytest.fixture
def listening(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as there:
        there.bind(str(tmp_path / "notify"))
        there.settimeout(10)
        yield there


def test_a_state_is_sent_to_the_socket_that_systemd_names(listening, monkeypatch):
    monkeypatch.setenv("NOTIFY_SOCKET", listening.getsockname())
    sd_notify("READY=1")
    assert listening.recv(100) == b"READY=1"


def test_an_abstract_socket(monkeypatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as there:
        there.bind("")  # the kernel chooses a name, which begins with a zero byte
        there.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", "@" + there.getsockname()[1:].decode())
        sd_notify("STOPPING=1")
        assert there.recv(100) == b"STOPPING=1"


@pytest.mark.parametrize("address", [None, "", "relative", "/nowhere/at/all"])
def test_without_one_that_listens_nothing_happens(monkeypatch, address):
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    if address is not None:
        monkeypatch.setenv("NOTIFY_SOCKET", address)
    sd_notify("READY=1")
