"""Networks with the quantizers of torch's PT2E, as a module and as a program, and what they themselves compute."""

import numpy as np
import pytest
import torch
import torch.ao.quantization.fx._decomposed  # torch's operators; what converts networks to them is torchao
from cryptable.compiling.plan import plan
from cryptable.compiling.settings import CompileSettings
from cryptable_engine import interpret
from cryptable_protocol import encode_rows

ROWS = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)


class Quantized(torch.nn.Module):
    """As `convert_pt2e` has it: weights are integers of channels, what is multiplied goes through quantizers."""

    def __init__(self, highest):
        super().__init__()
        self.highest = highest
        generator = torch.Generator().manual_seed(0)
        for name, shape in ("first", (6, 5)), ("second", (3, 6)):
            weights = torch.randint(-127, 128, shape, generator=generator, dtype=torch.int8)
            self.register_buffer(name, weights)
            self.register_buffer(f"{name}_scales", torch.linspace(0.004, 0.012, shape[0]))
            self.register_buffer(f"{name}_zeros", torch.zeros(shape[0], dtype=torch.int64))

    def quantized(self, x, scale, zero):
        highest = self.highest
        ops = torch.ops.quantized_decomposed
        found = ops.quantize_per_tensor(x, scale, zero, 0, highest, torch.uint8)
        return ops.dequantize_per_tensor(found, scale, zero, 0, highest, torch.uint8)

    def weights(self, name):
        steps = getattr(self, f"{name}_scales"), getattr(self, f"{name}_zeros")
        return torch.ops.quantized_decomposed.dequantize_per_channel(
            getattr(self, name), *steps, 0, -127, 127, torch.int8
        )

    def forward(self, x):
        inner = torch.nn.functional.linear(
            self.quantized(x, 6 / self.highest, self.highest // 2), self.weights("first")
        )
        return torch.nn.functional.linear(
            self.quantized(torch.relu(inner), 4 / self.highest, 0), self.weights("second")
        )


def exported(network):
    return torch.export.export(network, (torch.tensor(ROWS),), dynamic_shapes=({0: torch.export.Dim("rows", min=2)},))


@pytest.mark.parametrize(("highest", "most"), [(15, 0.01), (255, 0.15)])
@pytest.mark.parametrize("form", [exported, lambda network: exported(network).module()], ids=["program", "module"])
def test_quantizers_of_pt2e_are_read(form, highest, most):
    """Of 4 bits exactly, which saturate before their type ends; of 8, the upper bits of sums are kept by default."""
    network = Quantized(highest).eval()
    planned = plan(form(network), ROWS, CompileSettings(labels=["a", "b", "c"], rounding="exact"))
    found = planned.decoder.decision_function(interpret(planned.circuit, encode_rows(planned.features, ROWS)))
    wanted = network(torch.tensor(ROWS)).numpy()
    assert np.ptp(wanted) > 1
    assert np.sqrt(np.square(found - wanted).mean()) < most * wanted.std()


def test_a_module_of_export_keeps_its_mode():
    module = exported(Quantized(15).eval()).module()
    before = module.training
    plan(module, ROWS, CompileSettings(labels=["a", "b", "c"]))
    assert module.training == before
