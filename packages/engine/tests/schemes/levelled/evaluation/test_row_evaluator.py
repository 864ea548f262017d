"""Encrypted rows give what the interpreter gives, and rows and keys of random words give some answer."""

import subprocess
import sys

import numpy as np
import pytest
from cryptable_engine import interpret
from cryptable_engine.schemes.levelled.evaluation import kernel_evaluation
from cryptable_engine.schemes.levelled.evaluation.answer import answer_bytes
from cryptable_engine.schemes.levelled.evaluation.product_memory import chunks, places_of
from cryptable_engine.schemes.levelled.evaluation.row_evaluator import RowEvaluator, _ciphertexts
from cryptable_engine.schemes.levelled.evaluation.server_keys import ServerKeys
from cryptable_engine.schemes.levelled.plans import plan as plan_module
from cryptable_engine.schemes.levelled.plans.forms import read_forms
from cryptable_engine.schemes.levelled.plans.plan import make_plan
from cryptable_protocol import MalformedMessageError
from cryptable_protocol.messages import tensor as pb
from cryptable_protocol.schemes.levelled.keyset import UNIVERSAL
from cryptable_protocol.schemes.levelled.parameters import ROW_WORD_BITS
from cryptable_protocol.schemes.ring_tensor import RingTensor
from levelled_circuits import levelled_circuit, levelled_parameters

SHAPES = [
    {"steps": ()},
    {"steps": (1,)},
    {"steps": (3, 2), "outputs": 3},
    {"steps": (9, 4, 2), "outputs": 2, "bits": 30},
    {"steps": (40,), "bits": 120},
]


def evaluator_of(circuit, parameters, kernel=None):
    return RowEvaluator(make_plan(circuit, parameters, parameters.maximum), kernel)


@pytest.mark.encrypted
@pytest.mark.parametrize("gadget", [(2, 8), (3, 6), (4, 5)])
@pytest.mark.parametrize("shape", range(len(SHAPES)))
def test_encrypted_equals_clear(client, kernel, keys, shape, gadget):
    random = np.random.default_rng([shape, *gadget])
    circuit = levelled_circuit(random, **SHAPES[shape])
    inputs = circuit.input.size
    places = () if shape % 2 else tuple(random.choice(inputs, inputs // 2, replace=False).tolist())
    parameters = levelled_parameters(circuit, gadget=gadget, placed=places)
    evaluator = evaluator_of(circuit, parameters, kernel)
    for row in random.integers(0, 2, (3, inputs)):
        answer = evaluator.evaluate_row(client.row(parameters, row), keys)
        parameters.check_output(pb.EncryptedTensor.FromString(answer))
        assert client.decode(parameters, answer) == interpret(circuit, [row])[0].tolist()


@pytest.mark.encrypted
@pytest.mark.parametrize("shape", range(len(SHAPES)))
def test_streamed_evaluation_equals_clear_in_less_memory(client, kernel, keys, shape, monkeypatch):
    """As plans are evaluated that are too large to have all selectors ready at once."""
    random = np.random.default_rng(shape)
    circuit = levelled_circuit(random, **SHAPES[shape])
    inputs = circuit.input.size
    parameters = levelled_parameters(circuit, placed=tuple(range(0, inputs, 3)) if shape % 2 else ())
    whole = make_plan(circuit, parameters, parameters.maximum).memory_bytes
    monkeypatch.setattr(plan_module, "STREAMED_BYTES", 0)
    streamed = evaluator_of(circuit, parameters, kernel)
    assert streamed.plan.is_streamed
    assert whole - streamed.plan.memory_bytes == streamed.plan.layout.selector_leaves << 15
    for row in random.integers(0, 2, (2, inputs)):
        answer = streamed.evaluate_row(client.row(parameters, row), keys)
        assert client.decode(parameters, answer) == interpret(circuit, [row])[0].tolist()


@pytest.mark.parametrize("shape", range(len(SHAPES)))
def test_no_product_stands_where_another_is_still_read(shape):
    forms = read_forms(levelled_circuit(np.random.default_rng(shape), **SHAPES[shape]))
    place, count = places_of(forms)
    holds = {}
    for chunk in chunks(forms):
        for form in chunk:
            for product in forms.term_product[forms.terms(form)].tolist():
                assert holds[int(place[product])] == product
        holds |= {int(place[product]): product for product in chunk}
    for product in forms.term_product[forms.terms(forms.root)].tolist():
        assert holds[int(place[product])] == product
    assert count == len(set(place.tolist())) == (max(place.tolist()) + 1 if len(place) else 0)


@pytest.mark.parametrize("shape", range(len(SHAPES)))
def test_products_of_equal_depth_may_be_computed_in_any_order(shape):
    forms = read_forms(levelled_circuit(np.random.default_rng(shape), **SHAPES[shape]))
    together = max(1, forms.products)
    place, _ = places_of(forms, together, in_any_order=True)
    holds = {}
    for chunk in chunks(forms, together):
        held = {int(place[product]): product for product in chunk}
        assert len(held) == len(chunk)
        for product in forms.term_product[np.concatenate([np.r_[forms.terms(form)] for form in chunk])].tolist():
            assert holds[int(place[product])] == product
            assert int(place[product]) not in held
        holds |= held
    for product in forms.term_product[forms.terms(forms.root)].tolist():
        assert holds[int(place[product])] == product


@pytest.mark.encrypted
@pytest.mark.parametrize("shape", range(len(SHAPES)))
def test_threads_share_a_row(client, kernel, keys, shape, monkeypatch):
    """To the last bit what one thread computes, whose answer is right."""
    if kernel is None:
        pytest.skip("NumPy evaluates a row in one thread")
    random = np.random.default_rng(shape)
    circuit = levelled_circuit(random, **SHAPES[shape])
    parameters = levelled_parameters(circuit)
    row = random.integers(0, 2, circuit.input.size)
    tensor = RingTensor.from_bytes(client.row(parameters, row))
    bits = [ROW_WORD_BITS] * len(parameters.layout.runs)
    polynomials, found = _ciphertexts(tensor.seed, tensor.polynomials, bits), []
    monkeypatch.setattr(kernel_evaluation, "_WORTH_A_THREAD", 1)
    for threads in (1, 2, 3):
        monkeypatch.setattr(kernel_evaluation, "thread_count", lambda threads=threads: threads)
        evaluator = evaluator_of(circuit, parameters, kernel)
        found.append(evaluator._evaluation.ciphertext(polynomials, keys))
    np.testing.assert_array_equal(found[1], found[0])
    np.testing.assert_array_equal(found[2], found[0])
    answer = client.decode(parameters, answer_bytes([found[2]], parameters))
    assert answer == interpret(circuit, [row])[0].tolist()


def test_places_are_used_again():
    """A chain as deep as it is long, of which no product is read twice."""
    forms = read_forms(levelled_circuit(np.random.default_rng(0), steps=(1,) * 20, bits=30))
    assert places_of(forms)[1] < 20


@pytest.mark.encrypted
def test_two_runs_of_leaves(client, kernel, keys):
    random = np.random.default_rng(8)
    circuit = levelled_circuit(random, steps=(3,), bits=2100)
    selectors = {int(bit) for bit in circuit.nodes[2].bits}
    parameters = levelled_parameters(circuit, leaves=tuple(bit for bit in range(2100) if bit not in selectors))
    assert len(parameters.layout.runs) == 2
    evaluator = evaluator_of(circuit, parameters, kernel)
    row = random.integers(0, 2, 2100)
    answer = evaluator.evaluate_row(client.row(parameters, row), keys)
    assert client.decode(parameters, answer) == interpret(circuit, [row])[0].tolist()


def test_answers_are_hidden_anew(client, kernel, keys):
    circuit = levelled_circuit(np.random.default_rng(1))
    parameters = levelled_parameters(circuit)
    evaluator = evaluator_of(circuit, parameters, kernel)
    row = client.row(parameters, [1] * 9)
    one, other = (pb.EncryptedTensor.FromString(evaluator.evaluate_row(row, keys)).polynomials for _ in range(2))
    different = np.mean(np.frombuffer(one, np.uint8) != np.frombuffer(other, np.uint8))
    assert different > 0.98  # 255/256 of the bytes of two independent masks


@pytest.mark.parametrize("fill", [0, 255, None])
def test_random_words_give_an_answer(kernel, fill):
    random = np.random.default_rng(4)
    circuit = levelled_circuit(random, steps=(3, 2))
    parameters = levelled_parameters(circuit, placed=(0, 1))
    evaluator = evaluator_of(circuit, parameters, kernel)

    def data(size):
        return random.bytes(size) if fill is None else bytes([fill]) * size

    keys = evaluator.make_ready(memoryview(data(UNIVERSAL.evaluation_keys_bytes)))
    row = pb.EncryptedTensor(seed=data(16), polynomials=data(parameters.row_bytes))
    with np.errstate(all="raise"):
        answer = evaluator.evaluate_row(row.SerializeToString(deterministic=True), keys)
    parameters.check_output(pb.EncryptedTensor.FromString(answer))


def test_rows_and_keys_of_other_sizes_are_refused(client, kernel, keys):
    parameters = levelled_parameters(circuit := levelled_circuit(np.random.default_rng(1)))
    evaluator = evaluator_of(circuit, parameters, kernel)
    for row, message in (
        (b"\xff\xff", "encrypted tensor"),
        (b"", "no polynomials"),
        (pb.EncryptedTensor(seed=bytes(16), polynomials=b"12").SerializeToString(), "2 bytes"),
        (pb.EncryptedTensor(seed=bytes(15), polynomials=bytes(parameters.row_bytes)).SerializeToString(), "15 bytes"),
    ):
        with pytest.raises(MalformedMessageError, match=message):
            evaluator.evaluate_row(row, keys)
    with pytest.raises(MalformedMessageError, match="878608"):
        ServerKeys(memoryview(client.evaluation_keys)[1:])


def test_evaluating_loads_no_native_compiler():
    code = """
import sys
from cryptable_engine.schemes.levelled.evaluation import row_evaluator
from cryptable_engine.schemes.levelled.noise import bound
from cryptable_engine.schemes.levelled.plans import plan
from cryptable_protocol.schemes.levelled.keyset import UNIVERSAL
from cryptable_protocol.schemes.levelled.parameters import ROW_WORD_BITS
from cryptable_protocol.schemes.ring_tensor import RingTensor
from levelled_circuits import levelled_circuit, levelled_parameters
import numpy as np
circuit = levelled_circuit(np.random.default_rng(1))
parameters = levelled_parameters(circuit)
bound.failure(circuit, parameters)
evaluator = row_evaluator.RowEvaluator(plan.make_plan(circuit, parameters, parameters.maximum))
row = row_evaluator.RingTensor(bytes(parameters.row_bytes), bytes(16))
keys = evaluator.make_ready(memoryview(bytes(UNIVERSAL.evaluation_keys_bytes)))
evaluator.evaluate_row(row.to_bytes(), keys)
print(*sys.modules)
"""
    child = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={"PYTHONPATH": __file__.rpartition("/schemes/")[0] + "/support", "PATH": ""},
    )
    assert child.returncode == 0, child.stderr
    loaded = child.stdout.split()
    assert "cryptable_engine.schemes.levelled.evaluation.products" in loaded
    assert not {"concrete", "mlir", "capnp", "scipy", "torch"} & {name.partition(".")[0] for name in loaded}
