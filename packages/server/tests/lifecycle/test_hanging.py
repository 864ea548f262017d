"""A server whose directory of models holds what hangs: it goes on reading the rest, and ends when it is told to."""

import os
import shutil
import signal
import time

import pytest
from cryptable_protocol.messages import inference as pb
from cryptable_server.principals import ANONYMOUS
from hanging import hanging_folder
from waiting import until

_READ_AND_CLOSE_SECONDS = 60


@pytest.fixture
def folder(models, tmp_path):
    folder = tmp_path / "models"
    folder.mkdir()
    shutil.copy(models / "linear.cryptable", folder)
    return folder


def names(server):
    return [model.name for model in server.stub.ListModels(pb.ListModelsRequest()).models]


def test_a_fifo_among_models_stops_neither_reloading_nor_an_end(start, models, folder):
    with start("--watch", "0.2", models=folder) as server:
        os.mkfifo(folder / "fifo.cryptable")
        assert "FIFO" in server.wait_for("artifact refused", file="fifo.cryptable")["reason"]
        shutil.copy(models / "tables.cryptable", folder)
        until(lambda: names(server) == ["linear", "tables"])
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(_READ_AND_CLOSE_SECONDS) == 0
        assert time.monotonic() - began < _READ_AND_CLOSE_SECONDS


def test_a_fifo_is_there_from_the_start(start, folder):
    os.mkfifo(folder / "fifo.cryptable")
    with start(models=folder) as server:
        assert names(server) == ["linear"]


def test_a_file_system_that_hangs_keeps_no_server_from_ending(start, folder):
    with start("--watch", "0.2", models=folder) as server, hanging_folder(folder / "hanging.cryptable"):
        time.sleep(2)  # several looks
        assert names(server) == ["linear"]
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(_READ_AND_CLOSE_SECONDS) == 0


def test_keys_that_hang_keep_no_server_from_ending(start, artifacts, wire):
    """A thread that nothing ends, while it stores keys: two signals are enough."""
    spec = artifacts["tables"].client_spec
    data = wire.random_keys(spec)
    with start() as server, hanging_folder(server.keys / ANONYMOUS.folder):
        call = server.stub.UploadEvaluationKeys.future(wire.upload_messages(spec, data))
        incoming = server.keys / "incoming"
        until(lambda: [path.stat().st_size for path in incoming.iterdir()] == [len(data)])
        for _ in range(2):
            time.sleep(1)
            server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(_READ_AND_CLOSE_SECONDS) == 0
        call.cancel()
