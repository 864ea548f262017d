"""Brevitas' networks of squares: exact integers of their scales, or refused with what to change."""

import warnings

import cryptable as ct
import numpy as np
import pytest
import torch
from cryptable.neural.quantizers import qnn

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of docstrings, when Python first compiles them
    from brevitas.export import export_onnx_qcdq, export_qonnx
    from brevitas.quant import Int8WeightPerChannelFloat, Int32Bias

ROWS = np.random.default_rng(0).normal(size=(300, 6)).astype(np.float32)


class Squares(torch.nn.Module):
    """A quantizer, two linear layers, and a square between them."""

    def __init__(self, *, bias_quant=Int32Bias, behind=False, **options):
        super().__init__()
        torch.manual_seed(0)
        few = {"weight_bit_width": 4, "bias": True, **options}
        self.rows = qnn.QuantIdentity(bit_width=4, return_quant_tensor=True)
        self.first = qnn.QuantLinear(6, 5, bias_quant=bias_quant, **few)
        self.last = qnn.QuantLinear(5, 3, **few)
        self.behind = qnn.QuantIdentity(bit_width=4) if behind else torch.nn.Identity()

    def forward(self, rows):
        sums = self.first(self.rows(rows))
        sums = sums.value if hasattr(sums, "value") else sums
        return self.last(self.behind(sums * sums))


class ConvolvedSquares(torch.nn.Module):
    """The same behind a convolution of images of three channels, with a border."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        few = {"weight_bit_width": 4, "bias": True}
        self.rows = qnn.QuantIdentity(bit_width=4, return_quant_tensor=True)
        self.first = qnn.QuantConv2d(3, 2, 3, stride=2, padding=1, bias_quant=Int32Bias, **few)
        self.last = qnn.QuantLinear(2 * 3 * 3, 4, **few)

    def forward(self, rows):
        sums = self.first(self.rows(rows))
        sums = sums.value if hasattr(sums, "value") else sums
        return self.last(torch.flatten(sums.square(), 1))


class TwoSquares(torch.nn.Module):
    """Two squares behind each other, without biases before them."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        few = {"weight_bit_width": 3, "bias": False}
        self.rows = qnn.QuantIdentity(bit_width=3, return_quant_tensor=True)
        self.first, self.second = qnn.QuantLinear(6, 4, **few), qnn.QuantLinear(4, 3, **few)
        self.last = qnn.QuantLinear(3, 2, **few)

    def forward(self, rows):
        sums = self.first(self.rows(rows)) ** 2
        return self.last(self.second(sums) ** 2)


def exported(tmp_path, export=export_qonnx, network=None, rows=ROWS, **options):
    network = Squares(**options) if network is None else network
    network.train()
    for start in range(0, len(rows), 50):  # scales are of what has been seen
        network(torch.tensor(rows[start : start + 50]))
    network.eval()
    path = str(tmp_path / "network.onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's exporter
        export(network, torch.tensor(rows[:1]), export_path=path, opset_version=17, dynamo=False)
    with torch.no_grad():
        return path, network(torch.tensor(rows)).numpy()


@pytest.mark.encrypted
@pytest.mark.parametrize("export", [export_qonnx, export_onnx_qcdq])
def test_its_integers_are_those_of_brevitas(export, tmp_path):
    path, own = exported(tmp_path, export)
    model = ct.compile(path, ROWS, show_progress=False)
    assert model.artifact.client_spec.scheme == "squares", "of which it is the only one that is able"
    np.testing.assert_allclose(model.predict(ROWS), own, rtol=0, atol=1e-5 * np.abs(own).max())
    assert model.agreement.rms < 1e-5
    np.testing.assert_array_equal(model.predict(ROWS[:1], mode="encrypted"), model.predict(ROWS[:1]))


@pytest.mark.encrypted
@pytest.mark.parametrize("export", [export_qonnx, export_onnx_qcdq])
def test_convolutions_have_the_integers_of_brevitas_and_its_labels(export, tmp_path):
    images = np.random.default_rng(1).normal(size=(150, 3, 6, 6)).astype(np.float32)
    path, own = exported(tmp_path, export, ConvolvedSquares(), images)
    model = ct.compile(path, images, show_progress=False, labels=["a", "b", "c", "d"])
    assert model.artifact.client_spec.scheme == "squares"
    assert [type(node).__name__ for node in model.circuit.nodes][1] == "Convolution"
    np.testing.assert_allclose(model.decision_function(images), own, rtol=0, atol=1e-5 * np.abs(own).max())
    np.testing.assert_array_equal(model.predict(images), np.array(list("abcd"))[own.argmax(axis=1)])
    np.testing.assert_array_equal(model.predict(images[:1], mode="encrypted"), model.predict(images[:1]))


def test_two_squares_behind_each_other_have_the_integers_of_brevitas(tmp_path):
    path, own = exported(tmp_path, network=TwoSquares())
    model = ct.compile(path, ROWS, show_progress=False)
    assert model.artifact.client_spec.scheme == "squares"
    assert model.predict(ROWS).shape == own.shape
    np.testing.assert_allclose(model.predict(ROWS), own, rtol=0, atol=1e-5 * np.abs(own).max())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bias_quant": None}, "bias_quant=Int32Bias"),
        ({"weight_quant": Int8WeightPerChannelFloat}, "scaling_per_output_channel=False"),
        ({"behind": True}, "computes something else"),
    ],
)
def test_what_has_no_common_step_is_refused_with_what_to_change(tmp_path, options, message):
    path, _ = exported(tmp_path, **options)
    with pytest.raises(ct.UnsupportedModelError, match=message):
        ct.compile(path, ROWS, scheme="squares", show_progress=False)
