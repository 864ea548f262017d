"""A network of squares modulo two moduli on a real server of two workers, each of which takes one of them."""

import urllib.request

import cryptable as ct
import numpy as np
import pytest
import torch
from cryptable_client import connect
from cryptable_protocol.schemes.parts import parts_of
from server_process import run_server

pytestmark = pytest.mark.encrypted
ROWS = np.random.default_rng(0).normal(size=(300, 6)).astype(np.float32)


class Squares(torch.nn.Module):
    """Three scores of eight squares."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.one, self.two = torch.nn.Linear(6, 8), torch.nn.Linear(8, 3)

    def forward(self, rows):
        sums = self.one(rows)
        return self.two(sums * sums)


def counted(server, name):
    """A number of the server's metrics."""
    (metrics,) = server.events("metrics")
    with urllib.request.urlopen(f"http://{metrics['address']}/metrics", timeout=60) as page:
        lines = page.read().decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(name))


def test_a_row_in_parts_is_what_the_circuit_computes(tmp_path):
    model = ct.compile(Squares(), ROWS, name="squares", scheme="squares", show_progress=False)
    parameters = model.artifact.client_spec.parameters
    assert parts_of(parameters) == 2
    (tmp_path / "models").mkdir()
    model.save(tmp_path / "models/squares.cryptable")
    expected = model.predict(ROWS[:6])
    with (
        run_server(tmp_path / "models", tmp_path, "--workers", 2) as server,
        connect(server.address, model="squares", insecure=True) as remote,
    ):
        np.testing.assert_array_equal(remote.predict(ROWS[:1]), expected[:1])
        # Each worker has loaded what its part needs of the keys; the row counts as one that did not find them.
        assert [counted(server, f'cryptable_key_cache_total{{outcome="{how}"}}') for how in ("hit", "miss")] == [0, 1]
        np.testing.assert_array_equal(remote.predict(ROWS[1:6]), expected[1:])
        assert counted(server, "cryptable_rows_total") == 6
        assert counted(server, "cryptable_queue_seconds_count") == 6
        assert counted(server, "cryptable_queue_rows") == 0
        calls = [server.wait_for("InferRow", rows=1), server.wait_for("Infer", rows=5)]
        spent = counted(server, "cryptable_row_cpu_seconds_total")
        assert spent == pytest.approx(sum(line["cpu_seconds"] for line in calls), abs=1e-3)
