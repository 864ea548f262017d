"""Brevitas' networks of squares: exact integers of their scales, or refused with what to change."""

import warnings

import cryptable as ct
import numpy as np
import pytest
import torch
from cryptable.neural.quantizers import qnn

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of docstrings, when Python first compiles them
    from brevitas.export import export_qonnx
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


def exported(tmp_path, **options):
    network = Squares(**options)
    network.train()
    for start in range(0, 300, 50):  # scales are of what has been seen
        network(torch.tensor(ROWS[start : start + 50]))
    network.eval()
    path = str(tmp_path / "network.onnx")
    export_qonnx(network, torch.tensor(ROWS[:1]), export_path=path)
    with torch.no_grad():
        return path, network(torch.tensor(ROWS)).numpy()


@pytest.mark.encrypted
def test_its_integers_are_those_of_brevitas(tmp_path):
    path, own = exported(tmp_path)
    model = ct.compile(path, ROWS, show_progress=False)
    assert model.artifact.client_spec.scheme == "squares", "of which it is the only one that is able"
    np.testing.assert_allclose(model.predict(ROWS), own, rtol=0, atol=1e-5 * np.abs(own).max())
    assert model.agreement.rms < 1e-5
    np.testing.assert_array_equal(model.predict(ROWS[:1], mode="encrypted"), model.predict(ROWS[:1]))


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
