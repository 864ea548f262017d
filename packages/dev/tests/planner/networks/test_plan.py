"""Networks through `compile`: from torch, a file or a ModelProto to an encrypted prediction."""

from __future__ import annotations

import subprocess
import sys

import cryptable as ct
import numpy as np
import onnx
import pytest
from cryptable.compiling.plan import plan
from cryptable.compiling.settings import CompileSettings
from cryptable.importers.networks.sources.torch_module import exported
from cryptable_engine import Linear, Lookup
from cryptable_protocol import encode_rows

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def module():
    torch.manual_seed(1)
    return torch.nn.Sequential(torch.nn.Linear(5, 6), torch.nn.ReLU(), torch.nn.Linear(6, 3))


@pytest.fixture(scope="module")
def rows():
    return np.random.default_rng(2).normal(size=(400, 5))


@pytest.fixture(scope="module")
def compiled(module, rows):
    return ct.compile(module, rows, labels=["a", "b", "c"], bits=4)


def test_it_predicts_as_the_module_does(compiled, module, rows):
    scores = module(torch.tensor(rows, dtype=torch.float32)).detach().numpy()
    assert (compiled.predict(rows) == np.array(["a", "b", "c"])[scores.argmax(axis=1)]).mean() > 0.95
    assert np.abs(compiled.decision_function(rows) - scores).mean() < 0.1 * scores.std()
    np.testing.assert_allclose(compiled.predict_proba(rows).sum(axis=1), 1)


def test_a_file_and_a_model_in_memory_are_the_same_network(compiled, module, rows, tmp_path):
    model = exported(module, rows)
    onnx.save(model, tmp_path / "net.onnx")
    for source in (model, tmp_path / "net.onnx", str(tmp_path / "net.onnx")):
        planned = plan(source, rows, CompileSettings(labels=["a", "b", "c"], bits=4, ranges="minmax"))
        assert planned.circuit.to_bytes() == compiled.circuit.to_bytes()


@pytest.mark.parametrize("training", [None, False, True])
def test_a_dropout_at_the_end_is_nothing_but_in_training(compiled, module, rows, training):
    model = exported(module, rows)
    (scores,) = model.graph.output
    inputs = [scores.name] if training is None else [scores.name, "ratio", "training"]
    model.graph.node.append(onnx.helper.make_node("Dropout", inputs, ["dropped"]))
    if training is not None:
        told = {"ratio": np.array(0.5, np.float32), "training": np.array(training)}
        model.graph.initializer.extend(onnx.numpy_helper.from_array(value, name) for name, value in told.items())
    scores.name = "dropped"
    if training:
        with pytest.raises(ct.UnsupportedModelError, match="it is in training mode; export the network in evaluation"):
            plan(model, rows, CompileSettings(labels=["a", "b", "c"], bits=4, ranges="minmax"))
        return
    planned = plan(model, rows, CompileSettings(labels=["a", "b", "c"], bits=4, ranges="minmax"))
    assert planned.circuit.to_bytes() == compiled.circuit.to_bytes()


def borders(compiled, encoded):
    """How far each row's looked-up sums are from a border, in entries, at least."""
    nodes = compiled.circuit.nodes
    distance = np.full(len(encoded), np.inf)
    for index, node in enumerate(nodes):
        if isinstance(node, Lookup):
            code = nodes[node.source]
            assert isinstance(code, Linear)
            assert [term.source for term in code.terms] == [0], f"node {index} is not in the first layer"
            sums = encoded @ code.terms[0].to_dense(encoded.shape[1], code.size) + code.offset
            place = sums / 2.0**node.dropped_bits + 0.5
            distance = np.minimum(distance, np.abs(place - np.rint(place)).min(axis=1))
    return distance


@pytest.mark.encrypted
def test_far_from_borders_encrypted_is_clear_bit_for_bit(compiled, rows):
    encoded = encode_rows(compiled.artifact.client_spec.features, rows)
    far = np.argsort(-borders(compiled, encoded))[:4]
    np.testing.assert_array_equal(
        compiled.decision_function(rows[far], mode="encrypted"), compiled.decision_function(rows[far])
    )


def test_explain_names_layers(compiled, tmp_path):
    (layer,) = compiled.explain().lookups_by_layer
    assert (layer.name, layer.lookups, layer.table_bits) == ("/1/Relu", 6, 4)
    assert "'minmax': what sums reached on the calibration data" in " ".join(str(compiled.explain()).split())
    compiled.save(tmp_path / "net.cryptable")
    loaded = ct.load(tmp_path / "net.cryptable")
    assert loaded.circuit.to_bytes() == compiled.circuit.to_bytes()
    assert loaded.explain().ranges is None


def test_bits_by_layer(module, rows):
    planned = plan(module, rows, CompileSettings(bits={"/1/Relu": 3}, ranges="minmax"))
    assert [node.width for node in planned.circuit.nodes if isinstance(node, Lookup)] == [3]
    assert planned.decoder.labels is None  # without labels: a regression
    with pytest.raises(ct.InvalidInputError, match="bits= names 'conv', but the network's layers are /1/Relu"):
        ct.compile(module, rows, bits={"conv": 3})


@pytest.mark.encrypted
def test_layers_of_different_bits_have_the_keys_of_the_wider(rows):
    """One bootstrap key serves both, as the kernel evaluates them."""
    torch.manual_seed(3)
    layers = torch.nn.Linear(5, 6), torch.nn.ReLU(), torch.nn.Linear(6, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2)
    model = ct.compile(torch.nn.Sequential(*layers), rows, bits={"/1/Relu": 3, "/3/Relu": 4})
    facts = model.explain()
    assert len(model.artifact.client_spec.keyset.bootstrap_keys) == 1
    assert facts.keyset_entry.startswith("several levels, ")
    clear, encrypted = (model.decision_function(rows[:4], mode=mode) for mode in ("clear", "encrypted"))
    assert np.abs(clear - encrypted).max() < 0.5 * clear.std()


def test_importing_cryptable_loads_no_large_library():
    unwanted = {"brevitas", "onnx", "sklearn", "skorch", "torch", "cryptable.importers.networks.tracing"}
    code = f"import cryptable, sys; print(sorted({unwanted} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


class TwoBranches(torch.nn.Module):
    """Two layers of lookups, of which the scores need `weight` of the second one."""

    def __init__(self, weight):
        super().__init__()
        torch.manual_seed(1)
        self.first, self.second, self.weight = torch.nn.Linear(5, 4), torch.nn.Linear(5, 1), weight

    def forward(self, x):
        return torch.relu(self.first(x)) + self.weight * torch.sigmoid(self.second(x))


def test_lookups_that_no_score_needs_are_left_out(rows):
    assert ct.compile(TwoBranches(1.0), rows, bits=5).circuit.lookups == 5
    assert ct.compile(TwoBranches(1e-9), rows, bits=5).circuit.lookups == 4


def test_scores_that_are_the_same_for_all_rows_are_refused(rows):
    class Far(torch.nn.Module):
        def forward(self, x):
            return (x[:, :1] > 1000).float()

    with pytest.raises(ct.ConstantModelError, match="same scores for all of X_train"):
        ct.compile(Far(), rows)
