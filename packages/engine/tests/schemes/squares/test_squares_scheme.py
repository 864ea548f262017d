"""The scheme squares: which circuits and parameters it takes, and what it does with hostile bytes."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from dataclasses import replace

import numpy as np
import pytest
from cryptable_engine import (
    Circuit,
    CircuitError,
    CompilationError,
    EvaluationError,
    Evaluator,
    Linear,
    ProgramMismatchError,
    SchemeUnavailableError,
    Square,
    Term,
    compile_circuit,
    interpret,
    verify,
)
from cryptable_engine.schemes.squares.choice import choose_plan
from cryptable_engine.schemes.squares.network import Network
from cryptable_engine.schemes.squares.noise.bound import NoiseBound, most_used
from cryptable_engine.schemes.squares.plan import Gather, Plan, choose_blocks, inner_gather
from cryptable_engine.schemes.squares.rings.seal import SealRing
from cryptable_protocol import CompileOptions, InvalidInputError, MalformedMessageError
from cryptable_protocol.messages import tensor as pb
from cryptable_protocol.schemes.parts import whole_answer
from cryptable_protocol.schemes.ring_tensor import RingTensor
from cryptable_protocol.schemes.squares.keyset import SquaresKeyset
from cryptable_protocol.schemes.squares.parameters import SquaresParameters
from scheme_party import Party
from square_networks import evaluated_by, square_network

OPTIONS = CompileOptions(scheme="squares")


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    circuit = square_network(np.random.default_rng(3), (5, 4, 2))
    program = compile_circuit(circuit, OPTIONS, tmp_path_factory.mktemp("squares") / "program")
    party = Party(program)
    evaluator = Evaluator(program)
    yield circuit, program, party, evaluator, evaluator.load_keys(party.evaluation_keys)
    party.close()


@pytest.mark.encrypted
@pytest.mark.parametrize(
    "widths",
    [(1, 1, 1), (3, 1, 5), (40, 17, 1), (6, 30, 3), (4, 3, 5, 2), (4, 6, 3, 2)],
    ids=lambda widths: "-".join(map(str, widths)),
)
def test_networks_of_any_shape_are_exact(widths, tmp_path):
    random = np.random.default_rng(sum(widths))
    circuit = square_network(random, widths)
    program = compile_circuit(circuit, OPTIONS, tmp_path / "program")
    evaluator, party = Evaluator(program), Party(program)
    keys = evaluator.load_keys(party.evaluation_keys)
    rows = random.integers(0, 8, (1, widths[0]))
    for row, expected in zip(rows, interpret(circuit, rows), strict=True):
        assert party.decrypt(evaluator.evaluate_row(party.encrypt(row), keys)).tolist() == expected.tolist()
    party.close()


@pytest.fixture(scope="module")
def of_moduli(tmp_path_factory):
    """A network whose scores take several moduli."""
    circuit = square_network(np.random.default_rng(0), (6, 4, 2), maximum=4095, largest=900)
    program = compile_circuit(circuit, OPTIONS, tmp_path_factory.mktemp("squares") / "program")
    assert len(program.parameters.moduli) > 1
    party = Party(program)
    yield circuit, program, party
    party.close()


@pytest.mark.encrypted
def test_scores_of_many_bits_take_several_moduli(of_moduli):
    circuit, program, party = of_moduli
    evaluator = Evaluator(program)
    keys = evaluator.load_keys(party.evaluation_keys)
    rows = np.array([[4095] * 6, [0, 1, 2, 4095, 7, 9]])
    for row, expected in zip(rows, interpret(circuit, rows), strict=True):
        assert party.decrypt(evaluator.evaluate_row(party.encrypt(row), keys)).tolist() == expected.tolist()


@pytest.mark.encrypted
def test_each_modulus_is_a_part_that_any_process_evaluates(of_moduli):
    circuit, program, party = of_moduli
    moduli, row = program.parameters.moduli, np.array([[0, 1, 2, 4095, 7, 9]])
    sent, answers = party.encrypt(row[0]), {}
    for part in reversed(range(len(moduli))):
        evaluator = Evaluator(program)  # as in a process of its own, which has what this part needs of the keys
        keys = evaluator.load_keys(party.evaluation_keys, part=part)
        is_one = evaluator._evaluator.programs[0].ring.keys_are_of_all_moduli
        assert len(keys.ready._made) == 1
        assert not evaluator.prepare(keys, part)
        answers[part] = evaluator.evaluate_row(sent, keys, part=part)
    whole = whole_answer(program.parameters, [answers[part] for part in range(len(moduli))])
    assert party.decrypt(whole).tolist() == interpret(circuit, row)[0].tolist()
    assert evaluator.prepare(keys) == (not is_one)
    assert len(keys.ready._made) == (1 if is_one else len(moduli))
    for part in (-1, len(moduli)):
        with pytest.raises(InvalidInputError, match=f"part {part} of a row that has {len(moduli)}"):
            evaluator.evaluate_row(sent, keys, part=part)


@pytest.mark.encrypted
def test_hostile_rows_are_answered_or_refused_by_type(small):
    _, program, party, evaluator, keys = small
    parameters = program.parameters
    seed = bytes(16)
    answer = evaluator.evaluate_row(RingTensor(bytes(parameters.row_bytes), seed).to_bytes(), keys)
    assert len(answer) == parameters.answer_message_bytes
    found = party.decrypt(answer)
    assert (found >= 0).all()
    assert (found <= parameters.maximum).all()
    with pytest.raises(MalformedMessageError, match="expected residues modulo"):
        evaluator.evaluate_row(RingTensor(b"\xff" * parameters.row_bytes, seed).to_bytes(), keys)
    data = bytearray(party.evaluation_keys)
    data[16:] = bytes(len(data) - 16)
    zero = evaluator.load_keys(bytes(data))
    assert len(evaluator.evaluate_row(party.encrypt(np.zeros(5, np.int64)), zero)) == parameters.answer_message_bytes
    data[16:] = b"\xff" * (len(data) - 16)
    with pytest.raises(MalformedMessageError, match="evaluation keys: a word"):
        evaluator.load_keys(bytes(data))


@pytest.mark.encrypted
def test_answers_to_one_row_differ_in_every_word_but_decrypt_alike(small):
    circuit, _, party, evaluator, keys = small
    row = party.encrypt(np.arange(5))
    answers = [pb.EncryptedTensor.FromString(evaluator.evaluate_row(row, keys)).polynomials for _ in range(2)]
    one, other = (np.frombuffer(each, np.uint8) for each in answers)
    assert (one == other).mean() < 0.02
    expected = interpret(circuit, np.arange(5)[None])[0].tolist()
    for each in answers:
        assert party.decrypt(RingTensor(each).to_bytes()).tolist() == expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"window": 2}, "window 4"),
        ({"stride": 2}, "stride"),
        ({"keyset": SquaresKeyset(1, 1)}, "rotations"),
        ({"maximum": 1}, "outputs up to"),
        ({"inputs": 4}, "inputs 5"),
    ],
)
def test_a_specification_that_lies_is_refused(small, changes, message, tmp_path):
    circuit, program, *_ = small
    lying = replace(program.parameters, **changes)
    with pytest.raises(ProgramMismatchError, match=message):
        compile_circuit(circuit, OPTIONS, tmp_path / "program", promised=replace(lying, p_error=OPTIONS.p_error))
    assert list(tmp_path.iterdir()) == []


def test_parameters_whose_noise_does_not_fit_are_refused(tmp_path):
    """A network of wide scores, promised with one large modulus in the small chain."""
    circuit = square_network(np.random.default_rng(4), (500, 128, 2), maximum=1, largest=1)
    program = compile_circuit(circuit, OPTIONS, tmp_path / "program")
    largest = 67043329  # 4092 · 16384 + 1
    promised = replace(program.parameters, moduli=(largest,), answer_word_bits=36, maximum=largest - 1)
    assert promised.keyset.number == 1
    with pytest.raises(CompilationError, match="noise takes"):
        compile_circuit(circuit, OPTIONS, tmp_path / "other", promised=promised)


def test_circuits_of_another_shape_are_refused_with_the_reason(small, linear, tmp_path):
    circuit = small[0]
    given, first, square, last = circuit.nodes
    skipping = Linear((*last.terms, Term.from_dense(0, np.ones((5, 2)))), last.offset + 5)
    nothing = Linear((Term.from_dense(0, np.zeros((5, 4))),), np.arange(4))
    twice = Circuit(
        (given, first, Linear((Term.from_dense(1, np.eye(4)),), np.zeros(4, np.int64)), Square(2, 4), last), 4
    )
    for wrong, message in (
        (linear, "squares nothing"),
        (replace(circuit, nodes=(given, first, square, skipping)), "evaluates chains"),
        (replace(circuit, nodes=(given, nothing, square, Linear(last.terms, last.offset + 900))), "weights are zero"),
        (
            replace(twice, nodes=(*twice.nodes[:4], Linear((Term.from_dense(3, np.ones((4, 1))),), np.array([0])))),
            "by turns",
        ),
    ):
        with pytest.raises(CircuitError, match=message):
            compile_circuit(wrong, OPTIONS, tmp_path / "program")


def test_weights_that_vanish_modulo_a_modulus_are_refused(small, tmp_path):
    circuit, program, *_ = small
    modulus = program.parameters.moduli[0]
    given, first, square, last = circuit.nodes
    terms = tuple(replace(term, weights=np.full_like(term.weights, modulus)) for term in last.terms)
    high = replace(circuit, nodes=(given, first, square, Linear(terms, np.zeros(2, np.int64))))
    promised = replace(program.parameters, maximum=modulus - 1)
    with pytest.raises((CircuitError, ProgramMismatchError)):
        compile_circuit(high, OPTIONS, tmp_path / "program", promised=promised)
    assert compile_circuit(high, OPTIONS, tmp_path / "other").parameters.moduli[0] != modulus


def test_levels_never_rise_and_end_at_one_prime():
    """Even where there are more squares than primes: what does not fit is then for the noise bound to tell."""
    parameters = SquaresParameters(SquaresKeyset(1, 0), 1, 1, 2, 1, 1, 2, (65537,), 1, 65536, 28, 2.0**-128)
    gather = Gather(1, 1, (), swaps=False)
    for depth, levels in ((1, (3, 2)), (2, (3, 2, 2)), (3, (3, 2, 1, 1)), (5, (3, 2, 1, 1, 1, 1))):
        assert Plan(Network(1, ()), parameters, (gather,) * depth).levels == levels


def test_a_smaller_p_error_takes_a_larger_share_of_what_an_answer_bears():
    """Its tails are those of the bound, too."""
    circuit = square_network(np.random.default_rng(3), (5, 4, 2))
    plans = [choose_plan(circuit, verify(circuit), p_error) for p_error in (2.0**-64, 2.0**-128, 2.0**-600)]
    used = [most_used(each) for each in plans]
    assert used[0] == used[1] < used[2] <= 1
    squared = [
        dict(NoiseBound(replace(plans[1], parameters=each.parameters), plans[1].parameters.moduli[0]).steps())[
            "square 1"
        ]
        for each in plans[1:]
    ]
    # Peaks of uniform ciphertexts are as the root of the tail's bits.
    assert 1.9 < squared[1].fixed / squared[0].fixed < 2.2


def test_what_has_no_room_is_told(tmp_path):
    with pytest.raises(CompilationError, match="squares: no parameters suit"):
        compile_circuit(square_network(np.random.default_rng(0), (3, 4, 300, 300)), OPTIONS, tmp_path / "program")


def test_layouts_hold_every_input_and_have_room_for_diagonals():
    for inputs in (1, 3, 64, 784, 3000):
        for width in (2, 32, 128, 1024):
            blocks = choose_blocks(16384, inputs, width)
            assert blocks is not None
            assert blocks.copies * blocks.gather.diagonals == width
            assert blocks.block >= max(width, inputs + (width - 1 if blocks.gather.diagonals > 1 else 0))
    assert choose_blocks(8192, 5000, 2) is None
    assert inner_gather(8, 32).folds == ()
    assert inner_gather(32, 8).folds == (8, 16)


def test_seal_is_loaded_by_what_evaluates_alone():
    code = """
        import sys
        from cryptable_engine.schemes.scheme import all_schemes
        assert "squares" in all_schemes()
        print(*sys.modules)
    """
    child = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True, timeout=120
    )
    assert "cryptable_engine.schemes.squares.rings.seal" in child.stdout.split()
    assert not {"tenseal", "tenseal.sealapi"} & set(child.stdout.split())


def test_without_tenseal_the_extra_is_named(small, monkeypatch):
    monkeypatch.setitem(sys.modules, "tenseal.sealapi", None)
    with (
        evaluated_by("seal"),
        pytest.raises(SchemeUnavailableError, match=r"squares need tenseal.*cryptable-engine\[squares\]"),
    ):
        Evaluator(small[1])


@pytest.mark.encrypted
def test_the_kernel_takes_no_seal(small, monkeypatch):
    circuit, program, party, *_ = small
    monkeypatch.setitem(sys.modules, "tenseal.sealapi", None)
    with evaluated_by("kernel"):
        evaluator = Evaluator(program)
        answer = evaluator.evaluate_row(party.encrypt(np.arange(5)), evaluator.load_keys(party.evaluation_keys))
    assert party.decrypt(answer).tolist() == interpret(circuit, np.arange(5)[None])[0].tolist()


@pytest.mark.encrypted
def test_what_seal_refuses_is_our_error(small, monkeypatch):
    _, program, party, *_ = small

    def fail(*_):
        raise RuntimeError("result ciphertext is transparent")

    monkeypatch.setattr(SealRing, "square", fail)
    with evaluated_by("seal"):
        evaluator = Evaluator(program)
    with pytest.raises(EvaluationError, match="transparent"):
        evaluator.evaluate_row(party.encrypt(np.zeros(5, np.int64)), evaluator.load_keys(party.evaluation_keys))
