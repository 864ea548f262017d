import warnings

import cryptable as ct
import numpy as np
import onnx
import pytest
import torch
from cryptable.compiling.plan import plan
from cryptable.compiling.settings import CompileSettings
from cryptable.neural.quantizers import qnn
from cryptable.planner.networks.units import unit_of
from cryptable_engine import interpret
from cryptable_engine.circuit.circuit import Lookup
from cryptable_protocol import encode_rows
from torch import nn

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of docstrings, when Python first compiles them
    from brevitas.export import export_onnx_qcdq, export_qonnx


class Dense(nn.Module):
    def __init__(self, *, first=True, quantized=True):
        super().__init__()
        self.rows = qnn.QuantIdentity(bit_width=4, return_quant_tensor=True) if first else nn.Identity()
        linear = {"weight_bit_width": 4} if quantized else {"weight_quant": None}
        self.one = qnn.QuantLinear(6, 5, bias=True, **linear)
        self.values = qnn.QuantIdentity(bit_width=3, return_quant_tensor=True)
        self.two = qnn.QuantLinear(5, 3, bias=True, weight_bit_width=4)

    def function(self, sums):
        return torch.relu(sums)

    def forward(self, rows):
        return self.two(self.values(self.function(self.one(self.rows(rows)))))


class Functions(Dense):
    """Any functions of one number between the layers."""

    def function(self, sums):
        return torch.sigmoid(torch.maximum(sums, torch.tensor(-0.5)) + 0.25) + torch.exp(-sums.abs())


class NoQuantizer(Dense):
    def forward(self, rows):
        return self.two(torch.sigmoid(self.one(self.rows(rows))))


class Residual(nn.Module):
    """Convolutions, a batch normalization, an addition, average pooling."""

    def __init__(self, *, shared=True):
        super().__init__()
        self.rows = qnn.QuantIdentity(bit_width=3, return_quant_tensor=True)
        self.one = qnn.QuantConv2d(1, 2, 3, padding=1, bias=False, weight_bit_width=3)
        self.normalized = nn.BatchNorm2d(2)
        self.relu = qnn.QuantReLU(bit_width=3, return_quant_tensor=True)
        self.two = qnn.QuantConv2d(2, 2, 3, padding=1, bias=False, weight_bit_width=3)
        self.left = qnn.QuantIdentity(bit_width=4, return_quant_tensor=True)
        self.right = self.left if shared else qnn.QuantIdentity(bit_width=4, return_quant_tensor=False)
        self.pool = qnn.TruncAvgPool2d(2, bit_width=4) if shared else nn.AvgPool2d(2)
        self.scores = qnn.QuantLinear(8, 3, bias=True, weight_bit_width=4)

    def forward(self, rows):
        first = self.relu(self.normalized(self.one(self.rows(rows))))
        left = self.left(first)
        total = (
            left + self.right(self.two(first)) if self.right is self.left else left.value + self.right(self.two(first))
        )
        return self.scores(self.pool(total).flatten(1))


def _trained(module, rows):
    """Quantizers learn their scales from what passes them."""
    module.train()
    for _ in range(3):
        module(rows)
    return module.eval()


def _rows(*shape, count=150):
    return torch.from_numpy(np.random.default_rng(0).normal(size=(count, *shape)).astype(np.float32))


def _exported(module, export, rows, folder):
    path = folder / "network.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's exporter
        export(
            module,
            args=rows[:1],
            export_path=str(path),
            opset_version=17,
            dynamo=False,
            input_names=["x"],
            dynamic_axes={"x": {0: "rows"}},
        )
    return path


@pytest.fixture(autouse=True)
def _seed():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


@pytest.mark.parametrize("export", [export_qonnx, export_onnx_qcdq])
@pytest.mark.parametrize(("make", "shape"), [(Dense, (6,)), (Functions, (6,)), (Residual, (1, 4, 4))])
@pytest.mark.filterwarnings("ignore::UserWarning:brevitas")
def test_the_circuit_computes_brevitas_integers(make, shape, export, tmp_path):
    rows = _rows(*shape)
    module = _trained(make(), rows)
    with torch.no_grad():
        expected = module(rows)
    expected = getattr(expected, "value", expected).numpy()
    path = _exported(module, export, rows, tmp_path)
    planned = plan(onnx.load(path), rows.numpy()[:100], CompileSettings(ranges="sound"))
    values = interpret(planned.circuit, encode_rows(planned.features, rows.numpy().reshape(len(rows), -1)))
    scores = planned.decoder.decision_function(values)
    np.testing.assert_allclose(scores, expected, atol=2e-6 * np.abs(expected).max())
    assert max(node.width for node in planned.circuit.nodes if isinstance(node, Lookup)) <= 8
    assert np.unique(values).size > 10


@pytest.mark.parametrize(
    ("make", "shape", "message"),
    [
        (lambda: Dense(first=False), (6,), "computes with features that no quantizer has rounded; begin the network"),
        (lambda: Dense(quantized=False), (6,), r"layer '/values.* a weight is not quantized \(use QuantLinear"),
        (NoQuantizer, (6,), "layer '/Sigmoid' has values of no common step"),
        (lambda: Residual(shared=False), (1, 4, 4), "tensors of different scales are added"),
    ],
)
def test_what_is_not_quantized_is_named(make, shape, message, tmp_path):
    rows = _rows(*shape)
    path = _exported(_trained(make(), rows), export_qonnx, rows, tmp_path)
    with pytest.raises(ct.UnsupportedModelError, match=message):
        plan(onnx.load(path), rows.numpy(), CompileSettings(ranges="sound"))


def test_a_unit_is_the_largest_that_all_are_multiples_of():
    assert unit_of(np.array([0.0, -0.7, 2.1, 1.4], np.float32)) == pytest.approx(0.7, rel=1e-6)
    assert unit_of(np.random.default_rng(0).normal(size=40)) is None
