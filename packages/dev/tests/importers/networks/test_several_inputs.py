"""Networks of several inputs, of indices and of sequences: a tuple or a dictionary of arrays, an encoder each."""

import cryptable as ct
import numpy as np
import pytest
import torch
from cryptable.compiling.plan import plan
from cryptable.compiling.settings import CompileSettings
from cryptable.importers.networks.import_network import import_network
from cryptable.importers.networks.sources.torch_module import exported
from cryptable_engine import interpret
from cryptable_protocol import CategoricalEncoder, InvalidInputError, encode_rows
from cryptable_protocol.encoding.rows import join_inputs
from torch import nn

GENERATOR = np.random.default_rng(0)
NUMBERS = GENERATOR.normal(size=(200, 4)).astype(np.float32)
KINDS = GENERATOR.integers(0, 4, 200)  # 4, the last one, is never seen
IMAGES = GENERATOR.normal(size=(200, 1, 3, 3)).astype(np.float32)


class Mixed(nn.Module):
    """Numbers, a category, an image."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.embedding, self.linear, self.conv = nn.Embedding(5, 3), nn.Linear(4, 3), nn.Conv2d(1, 2, 3)
        self.scores = nn.Linear(8, 2)

    def forward(self, numbers, kind, image):
        parts = [torch.relu(self.linear(numbers)), self.embedding(kind), self.conv(image).flatten(1)]
        return self.scores(torch.cat(parts, 1))


def answers(planned, rows):
    return planned.decoder.decision_function(interpret(planned.circuit, encode_rows(planned.features, rows)))


def test_a_dictionary_a_tuple_and_a_file_are_one(tmp_path):
    """Each input by its name, in whatever order; or in the order of the module's parameters."""
    module = Mixed().eval()
    named = {"image": IMAGES, "kind": KINDS, "numbers": NUMBERS}
    given = NUMBERS, KINDS, IMAGES
    expected = module(*map(torch.tensor, given)).detach().numpy()
    of_names = plan(module, named, CompileSettings(bits=6))
    found = answers(of_names, named)
    assert np.abs(found - expected).max() < 0.2 * expected.std()
    names = [feature.name for feature in of_names.features]
    assert names == [*(f"numbers.{index}" for index in range(4)), "kind", *(f"image.{index}" for index in range(9))]
    assert of_names.features[4] == CategoricalEncoder("kind", (0, 1, 2, 3, 4), (0, 1, 2, 3, 4))
    assert of_names.circuit.lookups == 3
    of_order = plan(module, given, CompileSettings(bits=6))
    np.testing.assert_array_equal(answers(of_order, given), found)
    path = tmp_path / "mixed.onnx"
    path.write_bytes(exported(module, named).SerializeToString())
    of_file = plan(path, named, CompileSettings(bits=6))
    np.testing.assert_array_equal(answers(of_file, {"numbers": NUMBERS, "kind": KINDS, "image": IMAGES}), found)


def test_a_category_that_no_row_had_is_right_and_another_is_refused():
    module = Mixed().eval()
    named = {"numbers": NUMBERS, "kind": KINDS, "image": IMAGES}
    planned = plan(module, named, CompileSettings(bits=7))
    unseen = named | {"kind": np.full(200, 4)}
    expected = module(*map(torch.tensor, unseen.values())).detach().numpy()
    assert np.abs(answers(planned, unseen) - expected).max() < 0.2 * expected.std()
    with pytest.raises(InvalidInputError, match=r"feature 'kind' is 5.* none of its categories: 0, 1, 2, 3, 4"):
        answers(planned, named | {"kind": np.full(200, 5)})


class Words(nn.Module):
    """A sequence of indices; `hidden` adds a layer."""

    def __init__(self, *, hidden):
        super().__init__()
        torch.manual_seed(0)
        self.embedding, self.linear, self.hidden = nn.Embedding(6, 3), nn.Linear(9, 2), hidden

    def forward(self, words):
        sums = self.linear(self.embedding(words).flatten(1))
        return torch.tanh(sums) if self.hidden else sums


@pytest.mark.parametrize("hidden", [True, False])
def test_an_embedding_is_bits_of_the_client_and_takes_no_lookup(hidden):
    module = Words(hidden=hidden)
    words = np.random.default_rng(1).integers(0, 6, (300, 3))
    planned = plan(module, words, CompileSettings(bits=7))
    assert planned.circuit.lookups == (2 if hidden else 0)
    everything = np.stack(np.meshgrid(*[np.arange(6)] * 3), axis=-1).reshape(-1, 3)
    expected = module(torch.tensor(everything)).detach().numpy()
    assert np.abs(answers(planned, everything) - expected).max() < (0.1 if hidden else 0.02) * expected.std()


def test_a_network_of_several_inputs_encrypted():
    class Two(Words):
        def forward(self, words, numbers):
            return super().forward(words) + numbers[:, :2]

    rows = {"words": np.random.default_rng(1).integers(0, 6, (200, 3)), "numbers": NUMBERS}
    model = ct.compile(Two(hidden=False), rows, show_progress=False)
    some = {name: each[:5] for name, each in rows.items()}
    np.testing.assert_array_equal(model.decision_function(some, mode="encrypted"), model.decision_function(some))
    assert model.check(some, encrypted_rows=0)["clear"].largest_difference < 0.05


class Reads(nn.Module):
    """The same feature as a number and as a category."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(4, 2)

    def forward(self, kinds):
        return self.embedding(kinds).flatten(1) + kinds.float()


class Computes(Reads):
    def forward(self, kinds):
        return self.embedding(3 - kinds).flatten(1)


def test_an_embedding_by_an_index_that_is_computed_is_functions_of_the_feature():
    module = Computes()
    module.load_state_dict({"embedding.weight": torch.arange(8.0).reshape(4, 2)})
    planned = plan(module, KINDS[:, None])
    assert planned.circuit.lookups == 0
    found = answers(planned, np.arange(4)[:, None])
    np.testing.assert_allclose(found, [[6, 7], [4, 5], [2, 3], [0, 1]], atol=0.05)


@pytest.mark.parametrize(
    ("module", "rows", "error", "message"),
    [
        (Mixed(), NUMBERS, ct.UnsupportedModelError, "of several inputs, X_train is a tuple or a dictionary of arrays"),
        (
            Mixed(),
            {"numbers": NUMBERS, "sort": KINDS},
            InvalidInputError,
            "the input 'sort', which Mixed does not take",
        ),
        (nn.Linear(4, 2), (NUMBERS, NUMBERS), ct.UnsupportedModelError, r"it must take 2 tensors of shape \(1, 4\)"),
        (Reads(), KINDS[:, None], ct.UnsupportedModelError, "'x0', which the network also reads as a category"),
    ],
)
def test_what_is_refused(module, rows, error, message):
    with pytest.raises(error, match=message):
        plan(module, rows)


def test_inputs_are_joined_in_c_order():
    assert join_inputs(NUMBERS) is None
    assert join_inputs(([1.0, 2.0], [3.0, 4.0])) is None
    assert join_inputs((NUMBERS[0], NUMBERS[1])) is None  # two rows
    assert join_inputs({"a": NUMBERS[:, 0], "b": KINDS}) is None  # columns
    names, joined = join_inputs({"image": IMAGES[:, :, :2, :2], "kind": KINDS})
    assert names == ["image.0", "image.1", "image.2", "image.3", "kind"]
    np.testing.assert_array_equal(joined[:, :4], IMAGES[:, :, :2, :2].reshape(200, 4))
    with pytest.raises(InvalidInputError, match=r"different numbers of rows: \{'a': 200, 'b': 3\}"):
        join_inputs({"a": NUMBERS, "b": KINDS[:3]})


class Recurrent(nn.Module):
    """What is read of it: the last output, or the last states."""

    def __init__(self, kind, *, reads_states=False, **options):
        super().__init__()
        torch.manual_seed(0)
        self.recurrent, self.reads_states = kind(3, 4, batch_first=True, **options), reads_states
        ends = 2 if options.get("bidirectional") else 1
        layers = options.get("num_layers", 1) if reads_states else 1
        self.scores = nn.Linear(4 * ends * layers, 2)

    def forward(self, rows):
        outputs, states = self.recurrent(rows)
        if not self.reads_states:
            return self.scores(outputs[:, -1])
        states = states[0] if isinstance(states, tuple) else states
        return self.scores(states.transpose(0, 1).flatten(1))


SEQUENCES = np.random.default_rng(0).normal(size=(40, 4, 3)).astype(np.float32)


@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"num_layers": 2, "reads_states": True},
        {"bidirectional": True},
        {"bidirectional": True, "reads_states": True},
    ],
)
def test_recurrent_networks_are_unrolled(kind, options):
    module = Recurrent(kind, **options)
    expected = module(torch.tensor(SEQUENCES)).detach().numpy()
    _, segments, rows = import_network(module, SEQUENCES)
    np.testing.assert_allclose(segments.scores(rows), expected, atol=1e-5)


def test_a_recurrent_network_compiles():
    module = Recurrent(nn.RNN, nonlinearity="relu")
    expected = module(torch.tensor(SEQUENCES)).detach().numpy()
    planned = plan(module, SEQUENCES, CompileSettings(bits=6))
    assert planned.circuit.lookups == 4 * 4
    assert np.sqrt(np.mean((answers(planned, SEQUENCES) - expected) ** 2)) < 0.15 * expected.std()
