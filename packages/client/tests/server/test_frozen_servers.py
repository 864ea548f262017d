"""Servers that stop in the middle: `timeout` bounds each answer, whatever else is under way."""

import socket
import threading
import time
from contextlib import contextmanager, suppress

import numpy as np
import pytest
from cryptable_client import OverloadedError, TimeoutExceededError, UnavailableError, connect, list_models, spool
from cryptable_client.__main__ import main
from cryptable_client.keys.secret_keys import SecretKeys
from cryptable_client.server import in_time, transport, upload

ROWS = [[22.0, 3.0]] * 8
TIMEOUT = 1.0
PATIENCE = 3.0
"""Within which a call of TIMEOUT must have ended, on a machine that does other things too."""


@pytest.fixture(autouse=True)
def _thaw(echo):
    yield
    echo.thawed.set()


@contextmanager
def in_less_than(seconds):
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds


def open_echo(echo, **options):
    return connect(echo.address, model="echo", insecure=True, **{"timeout": TIMEOUT, **options})


@pytest.fixture
def linear(echo, spec_without_lookups):
    """A model that needs no keys uploaded."""
    echo.spec = spec_without_lookups
    return echo


@pytest.mark.parametrize("row", [0, 3, 7])
def test_a_server_that_freezes_at_a_row_is_waited_for_once(linear, row):
    """Eight rows took eight times the timeout."""
    with open_echo(linear) as remote:
        linear.freezes_at = row
        with in_less_than(PATIENCE), pytest.raises(TimeoutExceededError, match="no answer within 1 s") as caught:
            remote.predict(ROWS)
        assert caught.value.code == "DEADLINE_EXCEEDED"
        assert remote.traffic.get("rows", 0) == row
    assert linear.calls.count("Infer") == 1


def test_a_stream_may_take_longer_than_one_answer(linear):
    linear.pace_seconds = 0.4
    with open_echo(linear) as remote:
        assert len(remote.predict(ROWS)) == len(ROWS)
        assert remote.timings["predict"] > 2 * TIMEOUT


def test_what_the_reader_does_between_answers_does_not_count(linear, monkeypatch):
    from cryptable_client.server import inference

    decrypt = inference.decrypt

    def slowly(*arguments):
        time.sleep(0.7)
        return decrypt(*arguments)

    monkeypatch.setattr(inference, "decrypt", slowly)
    with open_echo(linear, timeout=0.5) as remote:
        assert len(remote.predict(ROWS[:3])) == 3


def test_a_relay_waits_for_each_answer_too(linear, tmp_path, capsys):
    (tmp_path / "data.csv").write_text("age,dose\n" + "22,3.0\n" * 8)
    server = ["--address", linear.address, "--insecure", "--model", "echo", "--timeout", str(TIMEOUT)]
    spec, keys, rows = (str(tmp_path / name) for name in ("spec", "keys", "rows"))
    plain = ["--spec", spec, "--insecure-plaintext"]
    assert main(["spec", *server, "--output", spec]) == 0
    assert main(["keygen", *plain, "--output", keys]) == 0
    assert main(["encrypt", *plain, "--keys", keys, "--input", str(tmp_path / "data.csv"), "--output", rows]) == 0
    linear.freezes_at = 2
    with in_less_than(PATIENCE):
        assert main(["relay", *server, "--input", rows, "--output", str(tmp_path / "answers")]) == 5
    assert "relaying rows: no answer within 1 s" in capsys.readouterr().err


def test_an_upload_that_nobody_reads_is_not_waited_for_as_long_as_a_slow_one(echo, secret_keys, monkeypatch):
    monkeypatch.setattr(upload, "CHUNK_BYTES", 0)  # else the slowest line has 20 s for each
    secret_keys._spooled(spool)
    echo.frozen = {"UploadEvaluationKeys"}
    with in_less_than(PATIENCE + 1), pytest.raises(TimeoutExceededError, match="nothing was taken within 1 s"):
        open_echo(echo, secret_keys=secret_keys)
    assert echo.calls.count("UploadEvaluationKeys") == 1


@pytest.mark.parametrize("method", ["GetModel", "GetEvaluationKeys"])
def test_servers_that_freeze_before(echo, secret_keys, method):
    with open_echo(echo, secret_keys=secret_keys, timeout=20):
        pass
    echo.frozen = {method}
    with in_less_than(PATIENCE), pytest.raises(TimeoutExceededError):
        open_echo(echo, secret_keys=secret_keys)


@pytest.mark.parametrize("asked_ms", ["2000", "60000", "99999999999"])
def test_a_pushback_beyond_the_timeout_is_told_and_not_slept(linear, asked_ms):
    """Three seconds became a hundred and twenty."""
    linear.break_rows_at, linear.pushback_ms = [0, 0, 0], asked_ms
    with open_echo(linear) as remote, in_less_than(PATIENCE), pytest.raises(UnavailableError) as caught:
        remote.predict(ROWS)
    assert caught.value.retry_after == min(int(asked_ms) / 1000, 60.0)
    assert linear.calls.count("Infer") == 1


def test_pushbacks_add_up_to_the_timeout_at_most(linear):
    linear.break_rows_at, linear.pushback_ms = [0, 0, 0], "600"
    with open_echo(linear) as remote, in_less_than(PATIENCE), pytest.raises(UnavailableError):
        remote.predict(ROWS)
    assert linear.calls.count("Infer") == 2


def test_a_pushback_within_the_timeout_is_obeyed(linear):
    linear.break_rows_at, linear.pushback_ms = [4], "600"
    with open_echo(linear) as remote:
        began = time.monotonic()
        assert len(remote.predict(ROWS)) == len(ROWS)
        assert time.monotonic() - began >= 0.6


def test_a_pushback_of_an_upload_is_bounded_too(echo, secret_keys):
    import grpc

    echo.failures = {"UploadEvaluationKeys": [(grpc.StatusCode.UNAVAILABLE, "busy")]}
    abort = type(echo)._begin

    def pushing_back(method, context):
        context.set_trailing_metadata((("grpc-retry-pushback-ms", "60000"),))
        abort(echo, method, context)

    echo._begin = pushing_back
    with in_less_than(30), pytest.raises(UnavailableError) as caught:
        open_echo(echo, secret_keys=secret_keys, timeout=20)
    assert caught.value.retry_after == 60.0


def test_a_socket_that_accepts_and_says_nothing():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"127.0.0.1:{listening.getsockname()[1]}"
        with in_less_than(PATIENCE), pytest.raises((TimeoutExceededError, UnavailableError)):
            list_models(address, insecure=True, timeout=TIMEOUT)


class Wire:
    """Carries bytes to a server and back until it is cut, as a router does that has forgotten the connection."""

    def __init__(self, address):
        host, _, port = address.rpartition(":")
        self._there = host, int(port)
        self.is_cut = False
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with suppress(OSError):
            while True:
                here, _ = self._listening.accept()
                there = socket.create_connection(self._there)
                for source, sink in ((here, there), (there, here)):
                    threading.Thread(target=self._carry, args=(source, sink), daemon=True).start()

    def _carry(self, source, sink):
        with suppress(OSError):
            while data := source.recv(1 << 16):
                if not self.is_cut:
                    sink.sendall(data)

    def close(self):
        self._listening.close()


def test_a_dead_connection_is_noticed_before_the_timeout(linear, monkeypatch):
    monkeypatch.setattr(transport, "KEEPALIVE_SECONDS", 1)
    monkeypatch.setattr(transport, "KEEPALIVE_TIMEOUT_SECONDS", 1)
    wire = Wire(linear.address)
    try:
        with connect(wire.address, model="echo", insecure=True, timeout=60) as remote:
            np.testing.assert_array_equal(len(remote.predict(ROWS)), len(ROWS))
            wire.is_cut = True
            with in_less_than(20), pytest.raises((UnavailableError, OverloadedError)):
                remote.predict(ROWS)
    finally:
        wire.close()


def test_keys_of_a_model_are_made_whatever_the_timeout(echo, spec):
    with SecretKeys.generate(spec) as secret_keys, open_echo(echo, secret_keys=secret_keys, timeout=20) as remote:
        assert len(remote.predict(ROWS)) == len(ROWS)


def test_clocks_leave_no_threads():
    before = threading.active_count()
    for _ in range(20):
        with in_time.clock_of(lambda: pytest.fail("cancelled"), 60.0) as clock:
            clock.step()
    deadline = time.monotonic() + 10
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() <= before
