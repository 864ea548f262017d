"""Processes of a server, killed in the midst of a real client's evaluations: what was acknowledged stays."""

import os
import signal
import threading
import time

import numpy as np
import pytest
from cryptable_client import SecretKeys, ServerError, UnavailableError, connect
from cryptable_engine import interpret
from cryptable_protocol import encode_rows
from server_process import make_artifact, recovered, run_server, tables_circuit

pytestmark = pytest.mark.encrypted
ROWS = 20


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recovery")
    (folder / "models").mkdir()
    make_artifact("tables", tables_circuit(), folder / "compiled").save(folder / "models" / "tables.cryptable")
    return folder / "models"


@pytest.fixture
def rows():
    return np.random.default_rng().uniform(0, 4, (ROWS, 2))


def expected(remote, rows):
    return interpret(tables_circuit(), encode_rows(remote.spec.features, rows))[:, 0]


class Predicting(threading.Thread):
    """A client that waits for its predictions."""

    def __init__(self, remote, rows):
        super().__init__()
        self.remote, self.rows = remote, rows
        self.scores = self.error = None

    def run(self):
        try:
            self.scores = self.remote.predict(self.rows)
        except ServerError as error:
            self.error = error

    def until_some_are_answered(self):
        deadline = time.monotonic() + 60
        while self.remote.traffic.get("rows", 0) < 3:
            assert self.is_alive(), self.error
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_a_killed_worker_costs_a_client_nothing_but_time(models, tmp_path, rows):
    with run_server(models, tmp_path) as server, connect(server.address, model="tables", insecure=True) as remote:
        predicting = Predicting(remote, rows)
        predicting.start()
        predicting.until_some_are_answered()
        os.kill(server.workers()[-1], signal.SIGKILL)
        killed = time.monotonic()
        while len(server.workers()) < 2:
            assert time.monotonic() - killed < 60
            time.sleep(0.02)
        assert recovered(killed)
        predicting.join()
        assert predicting.error is None
        np.testing.assert_array_equal(predicting.scores, expected(remote, rows))
        assert server.wait_for("Infer", status="UNAVAILABLE")["rows"] < ROWS


def test_a_killed_front_keeps_the_keys_that_it_has_acknowledged(models, tmp_path, rows):
    with run_server(models, tmp_path, check=False) as server:
        with connect(server.address, model="tables", insecure=True) as first:
            spec = first.spec
        with (
            SecretKeys.generate(spec) as secret_keys,
            connect(server.address, model="tables", insecure=True, secret_keys=secret_keys) as remote,
        ):
            predicting = Predicting(remote, rows)
            predicting.start()
            predicting.until_some_are_answered()
            server.process.kill()
            predicting.join()
            assert isinstance(predicting.error, UnavailableError)
            killed = time.monotonic()
            with (
                run_server(models, tmp_path) as again,
                connect(again.address, model="tables", insecure=True, secret_keys=secret_keys) as remote,
            ):
                scores = remote.predict(rows[:2])
                assert recovered(killed)
                np.testing.assert_array_equal(scores, expected(remote, rows[:2]))
                assert not again.events("UploadEvaluationKeys")
