"""A network of squares on a real server, under encryption: two clients, a killed worker, rows that none sends."""

import os
import signal

import cryptable as ct
import grpc
import numpy as np
import pytest
import torch
from cryptable_client import connect
from cryptable_protocol import CryptableError
from cryptable_protocol.messages import inference as pb
from cryptable_protocol.schemes.ring_tensor import RingTensor
from server_process import infer_header, run_server

pytestmark = pytest.mark.encrypted
ROWS = np.random.default_rng(0).normal(size=(200, 6)).astype(np.float32)


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.hidden, self.last = torch.nn.Linear(6, 8), torch.nn.Linear(8, 3)

    def forward(self, rows):
        sums = self.hidden(rows)
        return torch.softmax(self.last(sums * sums), 1)


@pytest.fixture(scope="module")
def model():
    return ct.compile(Network(), ROWS, scheme="squares", name="squares", show_progress=False)


@pytest.fixture(scope="module")
def server(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("squares")
    (folder / "models").mkdir()
    model.save(folder / "models" / "squares.cryptable")
    with run_server(folder / "models", folder) as running:
        yield running


def test_clients_get_what_the_circuit_computes(server, model):
    for _ in range(2):
        with connect(server.address, model="squares", insecure=True) as remote:
            assert remote.spec.scheme == "squares"
            np.testing.assert_array_equal(remote.predict(ROWS[:3]), model.predict(ROWS[:3]))
            np.testing.assert_array_equal(remote.predict_proba(ROWS[:2]), model.predict_proba(ROWS[:2]))
            assert remote.traffic["keys_sent"] < 6_000_000


def test_a_killed_worker_is_replaced(server, model):
    with connect(server.address, model="squares", insecure=True) as remote:
        remote.predict(ROWS[:1])
        os.kill(server.workers()[-1], signal.SIGKILL)
        for _ in range(3):  # the row that was under way may be refused once
            try:
                found = remote.predict(ROWS[:2])
            except CryptableError:
                continue
            break
        np.testing.assert_array_equal(found, model.predict(ROWS[:2]))


def test_rows_that_are_no_residues_or_zero_are_refused_or_answered(server):
    with connect(server.address, model="squares", insecure=True) as remote:
        remote.predict(ROWS[:1])
        header = infer_header(remote.spec, remote._upload.header.sha256)
        size = remote.spec.parameters.row_bytes
        # Only workers look at words; what they refuse is the caller's mistake all the same.
        for body, status in ((b"\xff" * size, grpc.StatusCode.INVALID_ARGUMENT), (bytes(size), None)):
            row = pb.InferRequest(row=RingTensor(body, bytes(16)).to_message())
            if status is None:
                (answer,) = server.stub.Infer(iter([header, row]))
                remote.spec.parameters.check_output(answer.result)
                continue
            with pytest.raises(grpc.RpcError, match="expected residues") as caught:
                list(server.stub.Infer(iter([header, row])))
            assert caught.value.code() == status
