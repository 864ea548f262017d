"""The page for Prometheus: what it answers, and that slow readers keep nobody else from it for long."""

import socket
import threading
import time
import urllib.error
import urllib.request

import pytest
from cryptable_server.calls.measures import metrics_page as page
from cryptable_server.calls.measures.metrics import Metrics
from cryptable_server.errors import BindError


def read(address):
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
        return answer.read().decode()


@pytest.fixture
def served():
    metrics = Metrics()
    metrics.watch("queue_rows", "Rows that wait", lambda: 7)
    with metrics.serving("127.0.0.1", 0) as address:
        yield address


def test_it_tells_what_is_counted(served, capfd):
    assert "cryptable_queue_rows 7.0" in read(served)
    assert capfd.readouterr() == ("", "")


def test_an_address_that_is_taken(served):
    host, port = served.split(":")
    with pytest.raises(BindError, match="--metrics"), Metrics().serving(host, int(port)):
        pass


def test_slow_readers_are_bounded_in_number_and_time(served, monkeypatch):
    """Eight of them fill the page; who drips bytes is ended as who says nothing is."""
    monkeypatch.setattr(page, "PATIENCE_SECONDS", 1.0)
    host, port = served.split(":")
    began = time.monotonic()
    slow = [socket.create_connection((host, int(port))) for _ in range(page.READERS)]
    try:
        for each in slow:
            each.sendall(b"GET /metrics HTTP/1.1\r\n")
        time.sleep(0.3)
        with pytest.raises((urllib.error.URLError, ConnectionError)):
            read(served)
        while True:
            try:
                for each in slow[:4]:
                    each.sendall(b"x")
                assert "cryptable_queue_rows" in read(served)
                break
            except (OSError, urllib.error.URLError):
                assert time.monotonic() - began < 30
                time.sleep(0.1)
    finally:
        for each in slow:
            each.close()
    assert time.monotonic() - began >= 1.0


def test_no_thread_is_left(served):
    before = threading.active_count()
    for _ in range(3 * page.READERS):
        read(served)
    deadline = time.monotonic() + 10
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() <= before
