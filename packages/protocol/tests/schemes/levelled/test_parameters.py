"""Parameters of the scheme levelled: what they are made of, what is refused, and that bytes come back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from cryptable_protocol import ClientSpec, Decoder, Link, MalformedMessageError, ThermometerEncoder
from cryptable_protocol.messages import client_spec as pb
from cryptable_protocol.messages import tensor as tensor_pb
from cryptable_protocol.schemes.levelled.answers import most_slots
from cryptable_protocol.schemes.levelled.keyset import RING_SIZE, UNIVERSAL, Gadget
from cryptable_protocol.schemes.levelled.layout import Layout, Run
from cryptable_protocol.schemes.levelled.mask_stream import masks, public_pair_mask
from cryptable_protocol.schemes.levelled.parameters import LevelledParameters
from cryptable_protocol.schemes.packing import pack, packed_bytes, rounded, unpack

PARAMETERS = LevelledParameters(UNIVERSAL, 6, (0, 3), (1,), (2, 0, 5), Gadget(2, 8), (7, 8, 9), 2, 400, 14, 2.0**-128)


def test_the_universal_keyset_is_what_the_specification_says() -> None:
    assert UNIVERSAL.evaluation_keys_bytes == 878_608
    assert UNIVERSAL.rows == 66
    assert len(UNIVERSAL.automorphisms) == 11


def test_a_client_specification_comes_back_from_its_bytes() -> None:
    features = (ThermometerEncoder("a", (0.0, 1.0, 2.0)), ThermometerEncoder("b", (0.0, 1.0, 2.0)))
    spec = ClientSpec("m", features, PARAMETERS, Decoder(Link.SOFTMAX, (0, 1), 0.5, (0.0, 0.0), (0, 1)))
    again = ClientSpec.from_bytes(spec.to_bytes())
    assert again == spec
    assert (again.scheme, again.p_error) == ("levelled", 2.0**-128)


def test_a_specification_of_two_schemes_is_refused() -> None:
    message = pb.ClientSpec()
    PARAMETERS.write(message)
    message.keyset.secret_keys.add(dimension=1)
    with pytest.raises(MalformedMessageError, match="bootstrapped"):
        LevelledParameters.read(message)


@pytest.mark.parametrize("which", ["selectors", "leaves", "placed", "moduli"])
def test_lists_that_are_far_too_long_are_refused_before_they_are_copied(which: str) -> None:
    message = pb.ClientSpec()
    PARAMETERS.write(message)
    getattr(message.levelled, which).extend(range(200_000))
    with pytest.raises(MalformedMessageError, match=rf"2000\d\d {which}"):
        LevelledParameters.read(message)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"selectors": (3, 0)}, "selectors do not strictly increase"),
        ({"selectors": (0, 0)}, "selectors do not strictly increase"),
        ({"leaves": (1, 1)}, "leaves do not strictly increase"),
        ({"placed": (2, 2)}, "placed twice"),
        ({"leaves": (3,)}, "both a selector and a leaf"),
        ({"placed": (6,)}, "element 6 of 6 inputs"),
        ({"selectors": (), "leaves": (), "placed": ()}, "element -1"),
        ({"inputs": 0}, "0 inputs"),
        ({"gadget": Gadget(2, 10)}, "a gadget of 2 digits of 10 bits"),
        ({"moduli": ()}, "moduli"),
        ({"moduli": (7, 10)}, "moduli"),
        ({"moduli": (9, 8, 7)}, "do not strictly increase"),
        ({"moduli": (3, 9, 11)}, "share a factor"),
        ({"maximum": 504}, "outputs up to 504"),
        ({"maximum": -1}, "outputs up to -1"),
        ({"outputs": 0}, "0 slots"),
        ({"outputs": 43}, "129 slots"),
        ({"outputs": 42, "answer_word_bits": 16}, "126 slots in words of 16 bits, at most 123"),
        ({"answer_word_bits": 11}, "words of 11 bits"),
        ({"answer_word_bits": 21}, "words of 21 bits"),
        ({"moduli": (13, 16), "maximum": 100, "answer_word_bits": 12}, "rounding alone"),
        ({"p_error": 0.0}, "p_error"),
        ({"p_error": float("nan")}, "p_error"),
    ],
)
def test_what_is_out_of_range_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(MalformedMessageError, match=message):
        replace(PARAMETERS, **changes)


def test_slots_leave_a_secret_on_the_curve() -> None:
    """Each bit of a slot is one of the ternary polynomial that hides an answer, at best."""
    assert [most_slots(bits) for bits in range(12, 21)] == [128, 128, 128, 128, 123, 113, 103, 94, 86]
    for bits in range(12, 21):
        unknown = RING_SIZE - most_slots(bits) * bits / np.log2(3)
        assert -0.025696778711484593 * unknown + 2.675931372549016 <= -bits - np.log2(12) / 2


def test_too_many_polynomials_are_refused() -> None:
    with pytest.raises(MalformedMessageError, match="polynomials in a row"):
        replace(PARAMETERS, inputs=70_000, selectors=tuple(range(65 * 1024)), leaves=(), placed=())


def test_a_row_and_an_answer_have_exactly_one_length() -> None:
    assert PARAMETERS.row_bytes == 9216 + 7168
    assert PARAMETERS.answer_bytes == 3584 + packed_bytes(6, 14)
    row = tensor_pb.EncryptedTensor(seed=bytes(16), polynomials=bytes(PARAMETERS.row_bytes))
    assert PARAMETERS.check_input(row) == row.SerializeToString(deterministic=True)
    for changes in (
        {"seed": bytes(15)},
        {"polynomials": bytes(PARAMETERS.row_bytes - 1)},
        {"bodies": bytes(8)},
        {"explicit": bytes(8)},
    ):
        message = tensor_pb.EncryptedTensor()
        message.CopyFrom(row)
        message.MergeFrom(tensor_pb.EncryptedTensor(**changes))
        with pytest.raises(MalformedMessageError):
            PARAMETERS.check_input(message)
    answer = tensor_pb.EncryptedTensor(polynomials=bytes(PARAMETERS.answer_bytes))
    PARAMETERS.check_output(answer)
    for wrong in (bytes(PARAMETERS.answer_bytes + 1), b""):
        with pytest.raises(MalformedMessageError):
            PARAMETERS.check_output(tensor_pb.EncryptedTensor(polynomials=wrong))
    with pytest.raises(MalformedMessageError):
        PARAMETERS.check_output(tensor_pb.EncryptedTensor(seed=bytes(16), polynomials=answer.polynomials))


@pytest.mark.parametrize("count", [1, 2, 3, 5, 94, 1000, 1024, 1025, 2048])
def test_doublings_are_those_of_the_trace_tree(count: int) -> None:
    """Played through: a node splits while there is a leaf for its odd half."""
    run = Run(0, count)
    doubled = np.zeros(1, int)
    for level in range(run.depth):
        step = 1 << level
        splitting = min(step, count - step)
        odd = doubled[:splitting] + 1
        doubled = np.concatenate([np.where(np.arange(len(doubled)) < splitting, doubled + 1, doubled), odd])
    assert doubled.tolist() == run.doublings.tolist()
    assert (count - 1) << run.shift < 2048


def test_a_layout_has_the_leaves_of_selectors_first() -> None:
    layout = Layout((0, 3), (1,), (2, 0, 5), Gadget(2, 8), 6)
    assert layout.leaf_bits.tolist() == [0, 0, 3, 3, 1]
    assert layout.leaf_scales.tolist() == [8, 16, 8, 16, 14]
    assert [layout.place(index) for index in range(3)] == [(0, 0), (0, 6), (0, 12)]
    assert layout.placed_polynomials == 1


@pytest.mark.parametrize("bits", [8, 14, 28, 36, 52])
def test_packed_words_come_back(bits: int) -> None:
    words = np.random.default_rng(bits).integers(0, 1 << bits, 2048, np.uint64)
    data = pack(words, bits)
    assert len(data) == packed_bytes(2048, bits)
    assert (unpack(data, 2048, bits) == words).all()
    string = int.from_bytes(data, "little")
    assert all(int(word) == string >> index * bits & (1 << bits) - 1 for index, word in enumerate(words[:50]))


def test_rounding_is_to_the_nearest_word_and_wraps_around() -> None:
    torus = np.array([0, (1 << 37) - 1, 1 << 37, (1 << 52) - 1, (1 << 52) - (1 << 37) - 1], np.uint64)
    assert rounded(torus, 52, 14).tolist() == [0, 0, 1, 0, (1 << 14) - 1]


def test_the_mask_stream_can_be_entered_anywhere_and_differs_from_the_public_pair() -> None:
    seed = bytes(range(16))
    whole = masks(seed, 0, 5)
    assert (masks(seed, 3, 2) == whole[3:]).all()
    assert whole.max() < 1 << 52
    assert not (public_pair_mask(seed) == whole[0]).any()
