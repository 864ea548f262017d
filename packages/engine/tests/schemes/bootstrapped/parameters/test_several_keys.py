"""Keysets of several keys of a kind: cheaper than one of each, exact enough, and given to the same lookups again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from cryptable_engine import (
    Circuit,
    Evaluator,
    GroupKind,
    Input,
    InputGroup,
    Linear,
    Lookup,
    Program,
    SchemeUnavailableError,
    Term,
    UnsupportedProgramError,
    compile_circuit,
    interpret,
    simulate,
    verify,
)
from cryptable_engine.schemes.bootstrapped.compiling import compiler
from cryptable_engine.schemes.bootstrapped.noise import NoiseModel, NoisyInterpreter
from cryptable_engine.schemes.bootstrapped.parameters.keyset_search import cheapest_keyset
from cryptable_engine.schemes.bootstrapped.parameters.layout import lay_out
from cryptable_engine.schemes.bootstrapped.parameters.lookup_groups import cheapest_assignment, lookup_groups
from cryptable_engine.schemes.bootstrapped.parameters.several_keys_search import cheapest_of_several
from cryptable_engine.schemes.bootstrapped.parameters.several_levels import complexity, demands_of, is_secure
from cryptable_engine.schemes.folder import RECORD
from cryptable_protocol import CompileOptions, KeysetParameters
from scheme_party import Party

P_ERROR = 2.0**-40
WIDTHS = [(2, 5), (5, 2), (2, 4, 2), (1, 3, 5), (3, 5, 3)]


def levels_of(*widths: int, lookups: int = 3) -> Circuit:
    """Levels of lookups, each of sums of the bits, or of what the level before has looked up; and the sum of all."""
    rng = np.random.default_rng(sum(widths))
    nodes = [Input((InputGroup(GroupKind.RANGE, (1 << widths[0]) - 1, 1),))]
    highest = 1
    for width, after in zip(widths, (*widths[1:], 3), strict=True):
        size, most = nodes[-1].size, (1 << width) - 1
        weights = np.zeros((size, lookups), np.int64)
        for column in weights.T:
            column[rng.permutation(size)[: max(1, most // highest)]] = 1
        nodes.append(Linear((Term.from_dense(len(nodes) - 1, weights),), np.zeros(lookups, np.int64)))
        highest = max(1, ((1 << after) - 1) // lookups)
        tables = rng.integers(0, highest + 1, (1, 1 << width))
        tables[0, 0] = highest
        nodes.append(Lookup(len(nodes) - 1, tables, np.zeros(lookups, np.int64)))
    nodes.append(Linear((Term.from_dense(len(nodes) - 1, np.ones((lookups, 1))),), np.zeros(1, np.int64)))
    return Circuit(tuple(nodes), len(nodes) - 1)


def laid_out(circuit):
    return lay_out(circuit, verify(circuit))


def searched(circuit, p_error=P_ERROR):
    """Keysets of one key of a kind and of several, and what the latter costs."""
    layout = laid_out(circuit)
    one = cheapest_keyset(demands_of(circuit, layout), p_error)
    several = cheapest_of_several(lookup_groups(circuit, layout), p_error, one)
    return one, several


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two widths, under two keys of each kind."""
    circuit = levels_of(2, 5)
    program = compile_circuit(circuit, CompileOptions(), tmp_path_factory.mktemp("several") / "program")
    assert len(program.keyset.bootstrap_keys) == len(program.keyset.keyswitch_keys) == 2
    return circuit, program


@pytest.mark.parametrize("log2_p_error", [-40, -128])
@pytest.mark.parametrize("widths", WIDTHS, ids=str)
def test_they_cost_less_and_are_exact_enough(widths, log2_p_error):
    circuit, p_error = levels_of(*widths), 2.0**log2_p_error
    layout = laid_out(circuit)
    one, several = searched(circuit, p_error)
    assert several is not None
    assert is_secure(several)
    assert several.evaluation_keys_bytes <= len(set(widths)) * one.evaluation_keys_bytes
    assignment, price = cheapest_assignment(circuit, layout, several, p_error)
    assert price < complexity(one, circuit.lookups)
    assert 2 <= len({keys.bootstrap_key for keys in assignment.lookups.values()}) <= len(set(widths))
    # With one of them for all it would not be, or it would cost more.
    for key in several.bootstrap_keys:
        switches = [each for each in several.keyswitch_keys if each.output_key == key.input_key]
        alone = KeysetParameters(several.secret_keys, (key,), tuple(switches))
        found = cheapest_assignment(circuit, layout, alone, p_error)
        assert found is None or found[1] > price


def test_shorter_small_keys_are_not_exact_enough():
    circuit = levels_of(2, 5)
    _, several = searched(circuit)
    for number, secret in enumerate(several.secret_keys):
        keys = [key for key in several.bootstrap_keys if key.input_key == secret.id]
        if keys:
            shorter = list(several.secret_keys)
            shorter[number] = replace(secret, dimension=secret.dimension - 12)
            assert cheapest_assignment(
                circuit, laid_out(circuit), replace(several, secret_keys=tuple(shorter)), P_ERROR
            )
            halved = tuple(
                replace(each, variance=each.variance * (4.0 if each.output_key == secret.id else 1.0))
                for each in several.keyswitch_keys
            )
            noisier = replace(several, keyswitch_keys=halved)
            assert cheapest_assignment(circuit, laid_out(circuit), noisier, P_ERROR) is None


def test_widths_that_lead_to_one_sum_share_their_key():
    given = Input((InputGroup(GroupKind.RANGE, 10, 1),))
    codes = Linear((Term.from_dense(0, np.eye(10)[:, :2] * 3),), np.zeros(2, np.int64))
    nodes = (
        given,
        codes,
        Lookup(1, np.arange(4)[None, :], np.zeros(2, np.int64)),
        Lookup(1, np.arange(32)[None, :], np.zeros(2, np.int64)),
        Linear((Term.from_dense(2, np.ones((2, 1))), Term.from_dense(3, np.ones((2, 1)))), np.zeros(1, np.int64)),
        Lookup(4, np.arange(64)[None, :], np.zeros(1, np.int64)),
        Linear((Term.from_dense(5, np.ones((1, 1))),), np.zeros(1, np.int64)),
    )
    circuit = Circuit(nodes, 6)
    grouped = lookup_groups(circuit, laid_out(circuit))
    assert [group.nodes for group in grouped.groups] == [(2, 3), (5,)]
    assert grouped.under == (None, None, 0, 0, 0, 1, 1)
    assert [[(flow.source, flow.lookups) for flow in group.flows] for group in grouped.groups] == [
        [(None, 4)],
        [(0, 1)],
    ]


def test_one_width_has_one_key_of_a_kind(tmp_path):
    assert len(lookup_groups(levels_of(3, 3), laid_out(levels_of(3, 3))).groups) == 1
    assert searched(levels_of(3, 3))[1] is None
    program = compile_circuit(levels_of(3, 3), CompileOptions(), tmp_path / "program")
    assert program.assignment is None


@pytest.mark.encrypted
def test_rows_under_encryption(made):
    """As a client sends its keys, and as a server compiles what is promised."""
    circuit, program = made
    party, evaluator = Party(program), Evaluator(Program.load(program.directory))
    keys = evaluator.load_keys(party.evaluation_keys)
    rng = np.random.default_rng(0)
    for row in rng.integers(0, 2, (4, circuit.input.size)):
        answer = party.decrypt(evaluator.evaluate_row(party.encrypt(row), keys))
        np.testing.assert_array_equal(answer, interpret(circuit, row[None])[0])
    party.close()


def test_servers_give_the_same_keys_to_the_same_lookups(made, tmp_path):
    circuit, program = made
    again = compile_circuit(circuit, CompileOptions(), tmp_path / "again", promised=program.parameters)
    assert (again.parameters, again.assignment, again.price) == (program.parameters, program.assignment, program.price)
    loaded = Program.load(program.directory)
    assert (loaded.assignment, loaded.price) == (program.assignment, program.price)
    options = CompileOptions(keyset_entry="keys of another", keyset=program.keyset)
    assert compile_circuit(circuit, options, tmp_path / "kept").assignment == program.assignment


def test_keys_that_do_not_serve_are_refused(made, tmp_path, monkeypatch):
    """Concrete may judge what was promised, where it is installed."""
    circuit, program = made
    monkeypatch.setattr(compiler, "is_installed", lambda: False)
    weak = tuple(replace(key, variance=key.variance / 2) for key in program.keyset.bootstrap_keys)
    for number, (keyset, message) in enumerate(
        [
            (replace(program.keyset, bootstrap_keys=weak), "128 bits of security"),
            (replace(program.keyset, keyswitch_keys=program.keyset.keyswitch_keys[:1]), "no choice among its keys"),
        ]
    ):
        promised = replace(program.parameters, keyset=keyset)
        with pytest.raises(SchemeUnavailableError, match=message):
            compile_circuit(circuit, CompileOptions(), tmp_path / str(number), promised=promised)


def test_a_strangers_keyset_of_very_many_keys_is_not_searched(made):
    """It has as many as a reader accepts, for as many kinds of lookups: 65,536 choices."""
    _, program = made
    circuit = levels_of(1, 2, 3, 5)
    key = max(program.keyset.bootstrap_keys, key=lambda each: each.polynomial_size)
    (switch,) = (each for each in program.keyset.keyswitch_keys if each.output_key == key.input_key)
    keys = tuple(replace(key, id=number) for number in range(16))
    many = replace(program.keyset, bootstrap_keys=keys, keyswitch_keys=(switch,))
    assert cheapest_assignment(circuit, laid_out(circuit), many, 0.5) is None
    few = replace(many, bootstrap_keys=keys[:2])
    assert cheapest_assignment(circuit, laid_out(circuit), few, 0.5) is not None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"under": [0', '"under": [7'),
        ('"lookups": [[2', '"lookups": [[1'),
        ('"assignment": {', '"assignment": {"lookups": 3, "other": {'),
    ],
)
def test_damaged_assignments_are_our_error(made, tmp_path, old, new):
    _, program = made
    for path in program.directory.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    text = (tmp_path / RECORD).read_text()
    head, found, tail = text.rpartition(old)
    assert found
    (tmp_path / RECORD).write_text(head + new + tail + ("}" if "other" in new else ""))
    with pytest.raises(UnsupportedProgramError):
        Evaluator(Program.load(tmp_path))


def test_noise_is_told_lookup_by_lookup(made):
    """Lookups of two bits are noisier than what those of five bits bear; failures are provoked by far more noise."""
    circuit, program = made
    rows = np.random.default_rng(1).integers(0, 2, (200, circuit.input.size))
    np.testing.assert_array_equal(simulate(circuit, CompileOptions(), rows, program=program), interpret(circuit, rows))
    model = NoiseModel.of(program)
    assert {*model.by_node} == {2, 4}
    assert max(pair[0] for pair in model.by_node.values()) == model.lookup
    assert len({*model.by_node.values()}) == 2

    def failed(times):
        by_node = {node: (times * looked_up, times * read) for node, (looked_up, read) in model.by_node.items()}
        noisy = NoisyInterpreter(circuit, replace(model, by_node=by_node), all_lookups=True)
        outputs = noisy.evaluate(rows, np.random.default_rng(2)).outputs
        return np.count_nonzero((outputs != interpret(circuit, rows)).any(axis=1))

    assert failed(1.0) == 0
    assert failed(40.0) > 20
