import warnings

import cryptable as ct
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from brevitas.inject.enum import ScalingImplType
from cryptable.compiling.plan import plan
from cryptable.compiling.settings import CompileSettings
from cryptable.importers.networks.sources.torch_module import exported
from cryptable.neural.quantizers import qnn
from cryptable.planner.networks.units import unit_of
from cryptable_engine import interpret
from cryptable_engine.circuit.circuit import Lookup
from cryptable_protocol import encode_rows
from onnxruntime import quantization
from sklearn.datasets import load_digits
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
@pytest.mark.filterwarnings("ignore:.*lies amid two levels")  # averages of integers do, where its ONNX is evaluated
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


DIGITS, LABELS = load_digits(return_X_y=True)
DIGITS = (DIGITS / 16).astype(np.float32)


class Perceptron(nn.Module):
    """64-16-10, of as many bits everywhere; `dead` hidden neurons are 0 for every input."""

    def __init__(self, bits, *, dead=0, scale=None):
        super().__init__()
        fixed = {} if scale is None else {"scaling_impl_type": ScalingImplType.CONST, "scaling_init": scale}
        self.rows = qnn.QuantIdentity(bit_width=bits, return_quant_tensor=True, **fixed)
        self.one = qnn.QuantLinear(64, 16, bias=True, weight_bit_width=bits)
        self.values = qnn.QuantIdentity(bit_width=bits, return_quant_tensor=True)
        self.two = qnn.QuantLinear(16, 10, bias=True, weight_bit_width=bits)
        with torch.no_grad():
            self.one.bias[:dead] = -100.0

    def forward(self, rows):
        return self.two(self.values(torch.relu(self.one(self.rows(rows)))))


class Normalized(Perceptron):
    """4-bit inputs, 3-bit weights, a batch normalization and a sigmoid: sums of more bits than a lookup takes."""

    def __init__(self):
        super().__init__(4)
        self.one = qnn.QuantLinear(64, 24, bias=True, weight_bit_width=3)
        self.two = qnn.QuantLinear(24, 10, bias=True, weight_bit_width=3)
        self.normalized = nn.BatchNorm1d(24)

    def forward(self, rows):
        return self.two(self.values(torch.sigmoid(self.normalized(self.one(self.rows(rows))))))


def _fitted(module, steps=30):
    optimizer = torch.optim.Adam(module.parameters(), 0.02)
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(module(torch.tensor(DIGITS[:900])), torch.tensor(LABELS[:900])).backward()
        optimizer.step()
    return module.eval()


def _answers(planned, rows):
    return planned.decoder.decision_function(interpret(planned.circuit, encode_rows(planned.features, rows)))


TEN = {"labels": list(range(10))}


@pytest.mark.parametrize("bits", [3, 5])
@pytest.mark.parametrize("dead", [5, 16])
@pytest.mark.filterwarnings("ignore::UserWarning:brevitas")
def test_a_dead_neuron_is_a_constant(bits, dead, tmp_path):
    module = _fitted(Perceptron(bits, dead=dead), steps=10)
    path = _exported(module, export_onnx_qcdq, torch.tensor(DIGITS[:1]), tmp_path)
    if dead == 16:
        with pytest.raises(ct.ConstantModelError, match="same scores for every input"):
            plan(path, DIGITS[:500], CompileSettings(**TEN))
        return
    planned = plan(path, DIGITS[:500], CompileSettings(**TEN))
    expected = module(torch.tensor(DIGITS)).detach().numpy()
    np.testing.assert_allclose(_answers(planned, DIGITS), expected, atol=1e-5 * np.abs(expected).max())
    (lookup,) = [node for node in planned.circuit.nodes if isinstance(node, Lookup)]
    assert lookup.size <= 16 - dead
    assert lookup.width <= bits + 2


@pytest.mark.parametrize("scale", [1.0, 8 / 7, 0.5, 1.3])
@pytest.mark.parametrize("export", [export_qonnx, export_onnx_qcdq])
@pytest.mark.filterwarnings("ignore::UserWarning:brevitas")
def test_features_amid_two_levels_go_where_brevitas_and_onnxruntime_round_them(scale, export, tmp_path):
    """Pixels k/16 in levels of 1/7, say: every other one lies in the middle between two."""
    module = _fitted(Perceptron(4, scale=scale), steps=5)
    path = _exported(module, export, torch.tensor(DIGITS[:1]), tmp_path)
    planned = plan(path, DIGITS[:600], CompileSettings(**TEN))
    expected = module(torch.tensor(DIGITS)).detach().numpy()
    found, close = _answers(planned, DIGITS), 1e-5 * np.abs(expected).max()
    np.testing.assert_allclose(found, expected, atol=close)
    assert planned.agreement.labels == 1
    if export is export_onnx_qcdq:
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.log_severity_level = 3
        (scores,) = onnxruntime.InferenceSession(path, options).run(None, {"x": DIGITS})
        np.testing.assert_allclose(found, scores, atol=close)


@pytest.mark.filterwarnings("ignore::UserWarning:brevitas")
def test_sums_of_too_many_bits_keep_the_upper_ones(tmp_path):
    module = _fitted(Normalized())
    path = _exported(module, export_onnx_qcdq, torch.tensor(DIGITS[:1]), tmp_path)
    expected = module(torch.tensor(DIGITS)).detach().numpy().argmax(axis=1)
    for bits, width in ((None, 5), (4, 4), ({"default": 3}, 3)):
        planned = plan(path, DIGITS[:900], CompileSettings(bits=bits, **TEN))
        assert {node.width for node in planned.circuit.nodes if isinstance(node, Lookup)} == {width}
        assert np.mean(_answers(planned, DIGITS).argmax(axis=1) == expected) > 0.96
        assert planned.agreement.labels > 0.96
    assert plan(path, DIGITS[:900], CompileSettings(bits="auto", **TEN)).circuit.lookups == 24


class Convolutional(nn.Module):
    """4 bits everywhere, and a quantizer that is itself a function."""

    def __init__(self):
        super().__init__()
        self.rows = qnn.QuantIdentity(bit_width=4, return_quant_tensor=True)
        self.one = qnn.QuantConv2d(2, 2, 3, bias=True, weight_bit_width=4)
        self.function = qnn.QuantSigmoid(bit_width=4, return_quant_tensor=True)
        self.two = qnn.QuantLinear(32, 3, bias=True, weight_bit_width=4)

    def forward(self, rows):
        return self.two(self.function(self.one(self.rows(rows))).flatten(1))


@pytest.mark.filterwarnings("ignore::UserWarning:brevitas")
def test_a_convolution_before_a_quantized_sigmoid_keeps_the_upper_bits(tmp_path):
    """Its tables over all integers would be of 9 bits."""
    rows = _rows(2, 6, 6)
    module = _trained(Convolutional(), rows)
    expected = module(rows).detach().numpy()
    path = _exported(module, export_onnx_qcdq, rows, tmp_path)
    planned = plan(path, rows.numpy(), CompileSettings())
    assert [node.width for node in planned.circuit.nodes if isinstance(node, Lookup)] == [5]
    found = _answers(planned, rows.numpy().reshape(len(rows), -1))
    assert np.sqrt(np.mean((found - expected) ** 2)) < 0.05 * expected.std()


class _Rows(quantization.CalibrationDataReader):
    def __init__(self):
        self._left = [{"x": DIGITS[:200]}]

    def get_next(self):
        return self._left.pop() if self._left else None


def _quantized_by_onnxruntime(folder, form):
    module = nn.Sequential(nn.Linear(64, 12), nn.ReLU(), nn.Linear(12, 10))
    onnx.save(exported(_fitted(module), DIGITS[:2]), folder / "float.onnx")
    quantization.quantize_static(
        folder / "float.onnx",
        folder / "int8.onnx",
        _Rows(),
        quant_format=form,
        weight_type=quantization.QuantType.QInt8,
    )
    return module, folder / "int8.onnx"


def test_an_int8_network_of_onnxruntime_costs_what_the_float_one_does(tmp_path):
    module, path = _quantized_by_onnxruntime(tmp_path, quantization.QuantFormat.QDQ)
    scores = module(torch.tensor(DIGITS)).detach().numpy()
    planned = plan(path, DIGITS[:900], CompileSettings(bits=5, **TEN))
    assert planned.circuit.lookups == plan(module, DIGITS[:900], CompileSettings(bits=5, **TEN)).circuit.lookups
    assert np.mean(_answers(planned, DIGITS).argmax(axis=1) == scores.argmax(axis=1)) > 0.97
    assert plan(path, DIGITS[:900], CompileSettings(**TEN)).circuit.lookups == planned.circuit.lookups


def test_operators_on_integers_are_refused_with_the_way_out(tmp_path):
    _, path = _quantized_by_onnxruntime(tmp_path, quantization.QuantFormat.QOperator)
    with pytest.raises(ct.UnsupportedModelError, match=r"quant_format=QuantFormat\.QDQ"):
        ct.compile(path, DIGITS[:100], **TEN)


class Tied(Perceptron):
    """Of constant scales and no bias: integers 6, 18 and 30 lie in the middle between two levels."""

    def __init__(self):
        super().__init__(3, scale=1.0)
        weights = {"bias": False, "weight_scaling_impl_type": ScalingImplType.CONST, "weight_scaling_init": 0.5}
        self.one = qnn.QuantLinear(64, 16, weight_bit_width=3, **weights)
        fixed = {"scaling_impl_type": ScalingImplType.CONST, "scaling_init": 2.0}
        self.values = qnn.QuantIdentity(bit_width=3, return_quant_tensor=True, **fixed)
        self.two = qnn.QuantLinear(16, 10, weight_bit_width=3, **weights)


@pytest.mark.parametrize("export", [export_qonnx, export_onnx_qcdq])
@pytest.mark.filterwarnings("ignore::UserWarning:brevitas")
def test_sums_amid_two_levels_are_rounded_half_to_even_and_told(export, tmp_path):
    """Brevitas makes different levels of the same integers there, so no circuit of integers equals it on all rows."""
    module = _fitted(Tied(), steps=5)
    rows = torch.tensor(DIGITS[:600])
    with torch.no_grad():
        features, weights = module.rows(rows), module.one.quant_weight()
        integers = (torch.round(features.value / features.scale) @ torch.round(weights.value / weights.scale).T).numpy()
        hidden = module.values(torch.relu(module.one(features)))
        levels = torch.round(hidden.value / hidden.scale).numpy()
        own = module(rows).numpy()
    assert set(levels[integers == 6].tolist()) == {0.0, 1.0}
    path = _exported(module, export, rows[:1], tmp_path)
    with pytest.warns(ct.AgreementWarning, match=r"in \d+ of 600 rows of X_train a sum lies amid two levels"):
        planned = plan(path, DIGITS[:600], CompileSettings(**TEN))
    found = _answers(planned, DIGITS[:600])
    exact = np.clip(np.rint(integers / 12), 0, 3) * float(hidden.scale)
    expected = exact @ module.two.quant_weight().value.detach().numpy().T
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(own).max())
    decided = (integers % 12 != 6).all(axis=1)
    assert 0.1 < decided.mean() < 1
    np.testing.assert_allclose(found[decided], own[decided], atol=1e-5 * np.abs(own).max())


class Near(Perceptron):
    """Of scales that are powers of two, and a bias that puts sums 2^-20 of a level below the middle, or above it."""

    def __init__(self, bias):
        super().__init__(3, scale=4.0)
        weights = {"weight_scaling_impl_type": ScalingImplType.CONST, "weight_scaling_init": 3.0}
        self.one = qnn.QuantLinear(64, 16, bias=True, weight_bit_width=3, **weights)
        fixed = {"scaling_impl_type": ScalingImplType.CONST, "scaling_init": 8.0}
        self.values = qnn.QuantIdentity(bit_width=3, return_quant_tensor=True, **fixed)
        with torch.no_grad():
            self.one.weight.copy_(torch.randint(-1, 2, (16, 64)) * (torch.rand(16, 64) < 0.4))
            self.one.weight[:, 20] = 0.5 + 2.0**-21  # of a level, which is rounded to 1
            self.one.bias.fill_(bias)


@pytest.mark.parametrize("bias", [-(2.0**-19), 2.0**-19], ids=["below", "above"])
@pytest.mark.parametrize("export", [export_qonnx, export_onnx_qcdq])
@pytest.mark.filterwarnings("ignore::UserWarning:brevitas")
def test_sums_that_single_precision_tells_from_a_middle_are_rounded_as_brevitas_does(export, bias, tmp_path):
    rows = DIGITS[:300] * 4
    module = Near(bias).eval()
    with torch.no_grad():
        sums = module.one(module.rows(torch.tensor(rows)))
        levels = (getattr(sums, "value", sums) / 2).numpy()
        expected = module(torch.tensor(rows)).numpy()
    amid = np.abs(levels - np.rint(levels - 0.5) - 0.5) < 1e-6
    assert (amid & (levels > 0) & (levels < 3)).any()
    path = _exported(module, export, torch.tensor(rows[:1]), tmp_path)
    for calibration in (rows, rows[:40]):
        planned = plan(path, calibration, CompileSettings(ranges="sound", **TEN))
        np.testing.assert_allclose(_answers(planned, rows), expected, atol=1e-5 * np.abs(expected).max())
