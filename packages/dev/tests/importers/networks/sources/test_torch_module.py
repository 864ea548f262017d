"""What torch users have in hand: modules compiled, scripted, exported or of half precision, and loaders of rows."""

import cryptable as ct
import numpy as np
import pytest
import torch
from cryptable.compiling.plan import plan
from cryptable.compiling.settings import CompileSettings
from cryptable_engine import interpret
from cryptable_protocol import encode_rows
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

ROWS = np.random.default_rng(0).normal(size=(120, 4)).astype(np.float32)


def module(*layers):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 2), *layers).eval()


def scores_of(model, rows=ROWS, X_train=ROWS):
    planned = plan(model, X_train, CompileSettings(bits=7))
    return planned.decoder.decision_function(interpret(planned.circuit, encode_rows(planned.features, rows)))


def exported_program():
    rows = torch.export.Dim("rows")
    return torch.export.export(module(), (torch.tensor(ROWS),), dynamic_shapes=({0: rows},))


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.compile(module()),
        lambda: torch.jit.script(module()),
        lambda: torch.jit.trace(module(), torch.tensor(ROWS)),
        exported_program,
        lambda: torch.onnx.export(
            module(), (torch.tensor(ROWS),), dynamo=True, dynamic_shapes=({0: torch.export.Dim("rows")},), verbose=False
        ),
    ],
    ids=["compiled", "scripted", "traced", "exported", "onnx program"],
)
@pytest.mark.filterwarnings("ignore")  # torch's own, of its deprecations
def test_a_module_in_any_form_is_the_module(make):
    np.testing.assert_array_equal(scores_of(make()), scores_of(module()))


def test_half_precision_is_how_weights_are_kept():
    expected = module()(torch.tensor(ROWS)).detach().numpy()
    half = module().to(torch.bfloat16)
    found = scores_of(half)
    assert np.abs(found - expected).max() < 0.1 * expected.std()
    assert next(half.parameters()).dtype is torch.bfloat16


@pytest.mark.parametrize(
    "make", [lambda set_: DataLoader(set_, batch_size=32), lambda set_: set_], ids=["loader", "dataset"]
)
def test_rows_come_from_a_loader_or_a_dataset(make):
    given = make(TensorDataset(torch.tensor(ROWS), torch.zeros(len(ROWS))))
    np.testing.assert_array_equal(scores_of(module(), X_train=given), scores_of(module()))


class Gated(nn.Module):
    """a(x) * b(x) + relu(a(x)): products and chains of the same sums."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.one, self.two = nn.Linear(4, 3), nn.Linear(4, 3)

    def forward(self, rows):
        first = self.one(rows)
        return first * self.two(rows) + torch.relu(first)


class Folds(nn.Module):
    def forward(self, rows):
        return nn.functional.fold(rows[:, :, None], (2, 2), (2, 2)).flatten(1)


@pytest.mark.parametrize("make", [Gated, Folds])
def test_operators_that_were_raw_errors(make):
    expected = make()(torch.tensor(ROWS)).detach().numpy()
    assert np.sqrt(np.mean((scores_of(make()) - expected) ** 2)) < 0.1 * expected.std()


class Mixes(nn.Module):
    def __init__(self, how):
        super().__init__()
        self.how = how

    def forward(self, rows):
        return self.how(rows)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (lambda rows: rows - torch.mean(rows), "mixes rows|torch could not export"),
        (torch.mean, "the first axis must stay the rows"),
        (lambda rows: torch.stack([rows, 2 * rows]), "the first axis must stay the rows"),
        (lambda rows: rows - rows.mean(dim=0, keepdim=True), "mixes rows"),
    ],
)
def test_networks_that_mix_rows_are_refused(how, message):
    with pytest.raises(ct.UnsupportedModelError, match=message):
        ct.compile(Mixes(how), ROWS)
