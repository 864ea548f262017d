"""Circuits of several levels, and sums, get parameters of our own; what Concrete has compiled has the same terms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from cryptable_engine import (
    Circuit,
    CompilationError,
    Evaluator,
    Linear,
    Program,
    ProgramMismatchError,
    SchemeUnavailableError,
    Term,
    compile_circuit,
    interpret,
)
from cryptable_engine.schemes.bootstrapped.compiling import compiler
from cryptable_engine.schemes.bootstrapped.parameters.catalogue import MAX_FACTOR, keyset_catalogue
from cryptable_engine.schemes.bootstrapped.parameters.several_levels import serves_several_levels
from cryptable_engine.schemes.bootstrapped.parameters.true_p_error import true_p_error
from cryptable_engine.schemes.bootstrapped.program import EvaluationKind
from cryptable_protocol import CompileOptions
from scheme_party import Party

pytestmark = pytest.mark.xdist_group("clients of Concrete")

SEVERAL_LEVELS = ("chain", "convolved", "shared")
WIDE = next(entry for entry in keyset_catalogue() if entry.name == "width 4, p_error 2^-40, noise 2")


@pytest.mark.parametrize("log2_p_error", [-40, -128])
@pytest.mark.parametrize("name", SEVERAL_LEVELS)
def test_a_keyset_of_our_own(named, tmp_path, name, log2_p_error):
    circuit, options = named(name), CompileOptions(2.0**log2_p_error)
    own = compile_circuit(circuit, options, tmp_path / "own")
    assert own.evaluation is EvaluationKind.LOOKUPS
    assert not own.is_native
    assert serves_several_levels(own.keyset)  # several keys of a kind would not be cheaper for any of these
    assert own.price == own.optimum
    assert own.keyset_entry == ""
    assert true_p_error(circuit, own.keyset, options.p_error) <= options.p_error
    shared = compile_circuit(circuit, options, tmp_path / "shared", catalogue=True)
    assert shared.optimum == own.price
    assert own.price <= shared.price <= MAX_FACTOR * own.price
    assert true_p_error(circuit, shared.keyset, options.p_error) <= options.p_error
    again = compile_circuit(circuit, options, tmp_path / "again", promised=shared.parameters)
    assert again.parameters == shared.parameters


@pytest.mark.encrypted
@pytest.mark.parametrize("name", ["chain", "convolved"])
def test_rows_are_what_the_interpreter_says(named, tmp_path, name):
    """Of lookups of several widths, too, all under one key."""
    circuit = named(name)
    program = compile_circuit(circuit, CompileOptions(), tmp_path / "own")
    party, evaluator = Party(program), Evaluator(program)
    keys = evaluator.load_keys(party.evaluation_keys)
    highest = np.concatenate([np.full(group.size, group.maximum) for group in circuit.input.groups])
    for row in (np.zeros_like(highest), highest):
        answer = party.decrypt(evaluator.evaluate_row(party.encrypt(row), keys))
        np.testing.assert_array_equal(answer, interpret(circuit, row[None])[0])
    party.close()


def test_concretes_programs(programs, named, tmp_path):
    """Promised by an artifact that Concrete compiled: the same parameters, and the same price."""
    for name in ("linear", "shared"):
        made = programs(name)
        again = compile_circuit(named(name), CompileOptions(), tmp_path / name, promised=made.parameters)
        assert not again.is_native
        assert again.parameters == made.parameters
        assert again.lookups == made.lookups
        assert again.price == pytest.approx(made.price, rel=0.01)


def test_onto_keys_of_wider_lookups(named, tmp_path):
    """Which Concrete's optimizer finds no way to."""
    options = CompileOptions(keyset_entry=WIDE.name, keyset=WIDE.keyset)
    made = compile_circuit(named("shared"), options, tmp_path / "made")
    assert made.keyset == WIDE.keyset
    again = compile_circuit(named("shared"), options, tmp_path / "again", promised=made.parameters)
    assert again.parameters == made.parameters


def test_what_is_refused(programs, named, tmp_path):
    circuit, made = named("shared"), programs("shared")
    (switch,) = made.keyset.keyswitch_keys
    weak = replace(made.keyset, keyswitch_keys=(replace(switch, variance=switch.variance / 2),))
    small = compile_circuit(named("linear"), CompileOptions(), tmp_path / "small").keyset
    for number, (name, p_error, keyset, message) in enumerate(
        [
            ("shared", 2.0**-900, made.keyset, r"'x': this model needs less noise \(p_error would be"),
            ("shared", 2.0**-40, weak, "'x': its keys have fewer than 128 bits of security"),
            ("shared", 2.0**-40, small, "'x': its keyswitch key does not lead from what it looks up"),
            ("linear", 2.0**-40, made.keyset, "'x': that is for circuits with lookups, and this one has none"),
            ("linear", 2.0**-900, small, "'x': this model needs less noise"),
        ]
    ):
        options = CompileOptions(p_error, keyset_entry="x", keyset=keyset)
        with pytest.raises(CompilationError, match=message):
            compile_circuit(named(name), options, tmp_path / str(number))
    weights = np.full((circuit.nodes[circuit.output].size, 1), 1 << 40)
    added = Linear((Term.from_dense(circuit.output, weights),), np.zeros(1, np.int64))
    large = Circuit((*circuit.nodes, added), len(circuit.nodes))
    with pytest.raises(CompilationError, match="no crypto parameters are exact enough"):
        compile_circuit(large, CompileOptions(), tmp_path / "none")


def test_a_promise_that_only_concrete_may_keep(programs, named, tmp_path, monkeypatch):
    """Where it is not installed, an artifact names what it needs; what is not what was promised is no program."""
    several, linear, shared = programs("chain"), programs("linear").parameters, programs("shared").parameters
    monkeypatch.setattr(compiler, "is_installed", lambda: False)
    with pytest.raises(SchemeUnavailableError, match="no choice among its keys is exact enough"):
        compile_circuit(named("chain"), CompileOptions(), tmp_path / "chain", promised=several.parameters)
    weak = replace(linear, input=replace(linear.input, variance=linear.input.variance / 2))
    with pytest.raises(SchemeUnavailableError, match="128 bits of security"):
        compile_circuit(named("linear"), CompileOptions(), tmp_path / "linear", promised=weak)
    wrong = replace(shared, output=replace(shared.output, width=shared.output.width + 1))
    with pytest.raises(ProgramMismatchError, match="output"):
        compile_circuit(named("shared"), CompileOptions(), tmp_path / "shared", promised=wrong)
    assert not list(tmp_path.iterdir())
    assert Program.load(several.directory).keyset == several.keyset
