"""Opsets 13 to 23: one network in each, as ONNX' own converter moves it, is read as the same network."""

import io
import warnings

import numpy as np
import onnx
import pytest
import torch
from cryptable.compiling.plan import plan
from cryptable.compiling.settings import CompileSettings
from onnx import version_converter
from torch import nn

ROWS = np.random.default_rng(0).normal(size=(50, 2, 8)).astype(np.float32)


class Network(nn.Module):
    """Of operators whose inputs and attributes changed between these opsets: means, splits, pads, clips, squeezes."""

    def __init__(self):
        super().__init__()
        self.convolution, self.norm = nn.Conv1d(2, 3, 3, padding=1), nn.BatchNorm1d(3)
        self.dense, self.scores = nn.Linear(5, 4), nn.Linear(2, 2)

    def forward(self, rows):
        hidden = torch.clamp(torch.relu(self.norm(self.convolution(rows))), 0, 6)
        pooled = nn.functional.max_pool1d(nn.functional.pad(hidden, (1, 1)), 2).mean(dim=1)
        one, other = torch.split(self.dense(pooled), 2, dim=1)
        return self.scores((torch.sigmoid(one) + other).unsqueeze(1).squeeze(1))


@pytest.fixture(scope="module")
def module():
    torch.manual_seed(0)
    return Network().eval()


@pytest.fixture(scope="module")
def oldest(module):
    buffer = io.BytesIO()
    options = {"opset_version": 13, "dynamo": False, "input_names": ["x"], "dynamic_axes": {"x": {0: "rows"}}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's exporter
        torch.onnx.export(module, torch.tensor(ROWS[:1]), buffer, **options)
    return onnx.load_from_string(buffer.getvalue())


@pytest.fixture(scope="module")
def expected(oldest):
    return plan(oldest, ROWS, CompileSettings(bits=5, scheme="bootstrapped")).circuit.to_bytes()


@pytest.mark.parametrize("opset", range(13, 24))
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_it_is_the_same_network(opset, module, oldest, expected):
    """Planning compares it with ONNX' reference evaluator of that opset."""
    model = version_converter.convert_version(oldest, opset)
    assert model.opset_import[0].version == opset
    planned = plan(model, ROWS, CompileSettings(bits=5, scheme="bootstrapped"))
    assert planned.circuit.to_bytes() == expected
    assert planned.agreement.rms < 0.1
