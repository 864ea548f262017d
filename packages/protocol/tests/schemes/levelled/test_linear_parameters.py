"""Parameters of linear models: their layout reads what it should, and what is refused."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from cryptable_protocol import AffineEncoder, ClientSpec, Decoder, Link, MalformedMessageError
from cryptable_protocol.schemes.levelled.keyset import PUBLIC_PAIR, RING_SIZE, UNIVERSAL
from cryptable_protocol.schemes.levelled.linear_layout import MAX_LINEAR_MODULI, LinearLayout, residues_on_torus
from cryptable_protocol.schemes.levelled.linear_parameters import MOST_TOLD, LinearParameters

PARAMETERS = LinearParameters(3, 16, 36, (1021, 1023, 1024), 2, 2, 1 << 29, 19, 2.0**-128)


def test_the_keyset_is_a_public_pair() -> None:
    assert PARAMETERS.keyset == PUBLIC_PAIR
    assert PUBLIC_PAIR.evaluation_keys_bytes == 16 + 2048 * 52 // 8
    assert PUBLIC_PAIR.name != UNIVERSAL.name


def test_a_client_specification_comes_back_from_its_bytes() -> None:
    features = tuple(AffineEncoder(name, 0.0, 1.0, 1 << 16) for name in "abc")
    spec = ClientSpec("m", features, PARAMETERS, Decoder(Link.SOFTMAX, (0, 1), 0.5, (0.0, 0.0), (0, 1)))
    again = ClientSpec.from_bytes(spec.to_bytes())
    assert again == spec
    assert (again.scheme, again.parameters.input_bits) == ("levelled", 16)
    other = replace(spec, parameters=replace(PARAMETERS, interleaved=True))
    assert ClientSpec.from_bytes(other.to_bytes()) == other
    facts = [each.parameters.pinned_facts() for each in (spec, other)]
    assert facts[1] == {**facts[0], "interleaved": True}  # models of before are pinned as they were


@pytest.mark.parametrize(
    ("moduli", "interleaved"), [*((moduli, False) for moduli in range(1, MAX_LINEAR_MODULI + 1)), (3, True)]
)
@pytest.mark.parametrize("outputs", [1, 2, 3, 7, 10, 30])
def test_a_slot_reads_the_inputs_of_its_residue_alone(moduli: int, outputs: int, interleaved: bool) -> None:
    """A coefficient of the weights that one slot needs is met by no input of any other one."""
    run = LinearLayout(1, outputs, moduli, interleaved).run
    layout = LinearLayout(run, outputs, moduli, interleaved)
    assert layout.polynomials == 1
    _, places = layout.input_places
    assert min(places.min(), layout.slots.min()) >= 0
    assert max(places.max(), layout.slots.max()) < RING_SIZE
    slots = layout.slots.reshape(moduli, outputs)
    assert len(set(slots.ravel().tolist())) == moduli * outputs
    needed = (slots[:, :, None] - places[:, None, :]) % RING_SIZE
    assert len(np.unique(needed)) == moduli * outputs * run
    for residue in range(moduli):
        for other in range(moduli):
            if other != residue:
                met = (slots[residue][:, None] - places[other][None]) % RING_SIZE
                assert not np.isin(met, needed).any()


def test_interleaved_moduli_have_room_for_more_inputs() -> None:
    assert [LinearLayout(1, 10, 3, interleaved).run for interleaved in (False, True)] == [28, 33]
    assert all(LinearLayout(1, m, 3, True).run >= LinearLayout(1, m, 3).run for m in range(1, 43))


def test_inputs_beyond_a_run_stand_in_further_polynomials() -> None:
    run = LinearLayout(1, 10, 4).run
    layout = LinearLayout(run + 1, 10, 4)
    polynomial, places = layout.input_places
    assert (layout.polynomials, polynomial[run], places[2, run] - places[2, 0]) == (2, 1, 0)


def test_residues_are_the_nearest_elements_of_the_torus() -> None:
    values = np.array([0, 1, 5, 1020, 1021, 123_456_789], np.int64)
    for modulus in (3, 1021, 1 << 17):
        for value, torus in zip(values.tolist(), residues_on_torus(values, modulus).tolist(), strict=True):
            exact = Fraction(value % modulus, modulus) * (1 << 52)
            assert abs(exact - torus) <= Fraction(1, 2)


def test_the_flood_is_what_p_error_leaves_room_for() -> None:
    needed = math.sqrt(2 * math.log(2) * (2 + math.log2(6) + 128))
    for modulus, variance, flood in zip(PARAMETERS.moduli, PARAMETERS.variances, PARAMETERS.floods, strict=True):
        assert math.sqrt(variance) * needed == pytest.approx(1 / (2 * modulus), rel=1e-6)
        assert 0.5 * variance < flood < variance
    assert PARAMETERS.told <= MOST_TOLD
    assert replace(PARAMETERS, row_word_bits=37).told == pytest.approx(PARAMETERS.told / 4, rel=1e-3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"inputs": 0}, "0 inputs"),
        ({"inputs": 20_000}, "polynomials in a row"),
        ({"input_bits": 0}, "integers of 0 bits"),
        ({"row_word_bits": 52}, "a row in words of 52 bits"),
        ({"answer_word_bits": 27}, "answers in words of 27 bits"),
        ({"moduli": ()}, "moduli"),
        ({"moduli": (2, 1021, 1023, 1025)}, "moduli"),
        ({"moduli": (1020, 1023, 1024)}, "share a factor"),
        ({"maximum": 1 << 30}, "outputs up to"),
        ({"outputs": 43, "outputs_per_part": 43}, "129 slots"),
        ({"outputs": 32, "outputs_per_part": 32}, "at most 94"),
        ({"moduli": (1 << 15, (1 << 15) + 1), "interleaved": True}, "2 moduli interleaved, expected 3"),
        ({"outputs_per_part": 0}, "in parts of 0"),
        ({"outputs_per_part": 3}, "2 outputs in parts of 3"),
        ({"outputs": 9000}, "products are made"),
        ({"p_error": 0.0}, "p_error"),
        ({"answer_word_bits": 17}, "misread more often"),
        ({"row_word_bits": 30}, "nats of a weight"),
    ],
)
def test_what_is_out_of_range_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(MalformedMessageError, match=message):
        replace(PARAMETERS, **changes)
