"""What is compiled where concrete-python is not has its parameters where it is, too, and the other way round."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptable_engine import Program, SchemeUnavailableError, compile_circuit, verify
from cryptable_engine.schemes.bootstrapped.compiling.known_keyset_compiler import compile_onto_known_keyset
from cryptable_engine.schemes.bootstrapped.parameters.catalogue import keyset_catalogue
from cryptable_engine.schemes.bootstrapped.parameters.layout import lay_out
from cryptable_protocol import CompileOptions

pytestmark = pytest.mark.xdist_group("clients of Concrete")

WIDE = next(entry for entry in keyset_catalogue() if entry.name == "width 4, p_error 2^-40, noise 2")


def without_concrete(circuit, options, directory, **promised):
    directory.mkdir()
    compile_onto_known_keyset(circuit, lay_out(circuit, verify(circuit)), options, directory, **promised)
    return Program.load(directory)


def test_concretes_programs(programs, named, tmp_path):
    """Of sums and of lookups: the same parameters, and the same price."""
    for name in ("linear", "shared"):
        made = programs(name)
        options = CompileOptions(made.p_error)
        variance = made.input.variance
        again = without_concrete(named(name), options, tmp_path / name, promised=made.keyset, input_variance=variance)
        assert again.parameters == made.parameters
        assert again.lookups == made.lookups
        assert again.price == pytest.approx(made.price, rel=0.01)


def test_ours_where_concrete_is(named, tmp_path):
    """Onto keys of lookups that are wider than the circuit's, which Concrete's optimizer does not find a way to."""
    circuit, options = named("shared"), CompileOptions(keyset_entry=WIDE.name, keyset=WIDE.keyset)
    made = without_concrete(circuit, options, tmp_path / "made", promised=None)
    assert made.keyset == WIDE.keyset
    again = compile_circuit(circuit, options, tmp_path / "again", promised=made.parameters)
    assert again.parameters == made.parameters


def test_what_is_refused(programs, named, tmp_path):
    circuit, made = named("shared"), programs("shared")
    noisy = CompileOptions(2.0**-900)
    (switch,) = made.keyset.keyswitch_keys
    weak = replace(made.keyset, keyswitch_keys=(replace(switch, variance=switch.variance / 2),))
    for number, (options, promised, message) in enumerate(
        [
            (noisy, made.keyset, "p_error would be"),
            (noisy, None, "no keyset of the catalogue"),
            (CompileOptions(made.p_error), weak, "128 bits of security"),
            (CompileOptions(made.p_error), programs("chain").keyset, "several keys of a kind"),
        ]
    ):
        with pytest.raises(SchemeUnavailableError, match=message):
            without_concrete(circuit, options, tmp_path / str(number), promised=promised)
    linear = programs("linear")
    with pytest.raises(SchemeUnavailableError, match="no secret key"):
        without_concrete(
            named("linear"),
            CompileOptions(linear.p_error),
            tmp_path / "linear",
            promised=linear.keyset,
            input_variance=linear.input.variance / 2,
        )
