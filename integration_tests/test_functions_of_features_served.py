"""Networks that begin with functions of single features, on a real server: a client has them from the specification."""

import cryptable as ct
import numpy as np
import pytest
import torch
from cryptable_client import connect
from cryptable_protocol import CurvesEncoder, InvalidInputError
from server_process import run_server

pytestmark = pytest.mark.encrypted
ROWS = np.random.default_rng(0).uniform(0.1, 10.0, (300, 2)).astype(np.float32)


class Network(torch.nn.Module):
    """Of a logarithm, a step and a number; `hidden` adds a layer."""

    def __init__(self, *, hidden):
        super().__init__()
        torch.manual_seed(0)
        self.one, self.two = torch.nn.Linear(3, 3), torch.nn.Linear(3, 2)
        self.hidden = hidden

    def forward(self, rows):
        a, b = rows[:, :1], rows[:, 1:]
        sums = self.one(torch.cat([torch.log(a), (a > 5).float(), b], 1))
        return self.two(torch.relu(sums)) if self.hidden else sums


@pytest.fixture(scope="module")
def models():
    return {
        "sums": ct.compile(Network(hidden=False), ROWS, name="sums", show_progress=False),
        "layer": ct.compile(
            Network(hidden=True), ROWS, name="layer", scheme="levelled", input_bits=8, show_progress=False
        ),
    }


@pytest.fixture(scope="module")
def server(models, tmp_path_factory):
    folder = tmp_path_factory.mktemp("functions")
    (folder / "models").mkdir()
    for name, model in models.items():
        model.save(folder / "models" / f"{name}.cryptable")
    with run_server(folder / "models", folder) as running:
        yield running


@pytest.mark.parametrize("name", ["sums", "layer"])
def test_a_client_gets_what_the_circuit_computes(server, models, name):
    model = models[name]
    with connect(server.address, model=name, insecure=True) as remote:
        np.testing.assert_array_equal(remote.predict(ROWS[:3]), model.predict(ROWS[:3]))
        with pytest.raises(InvalidInputError, match="feature 'x0'"):
            remote.predict([[np.nan, 1.0]])
    with torch.no_grad():
        own = Network(hidden=name == "layer")(torch.tensor(ROWS)).numpy()
    assert np.square(model.predict(ROWS) - own).mean() ** 0.5 < 0.05 * own.std()


def test_what_a_client_reads_holds_several_curves_of_a_feature(server):
    with connect(server.address, model="sums", insecure=True) as remote:
        assert isinstance(remote.spec.features[0], CurvesEncoder)
