"""Parameters of the scheme squares: what they are made of, what is refused, and that bytes come back."""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptable_protocol import AffineEncoder, ClientSpec, Decoder, InternalError, Link, MalformedMessageError
from cryptable_protocol.messages import client_spec as pb
from cryptable_protocol.messages import tensor as tensor_pb
from cryptable_protocol.schemes.levelled.parameters import LevelledParameters
from cryptable_protocol.schemes.parts import parts_of, whole_answer
from cryptable_protocol.schemes.ring_tensor import RingTensor
from cryptable_protocol.schemes.squares.keyset import CHAINS, SquaresKeyset
from cryptable_protocol.schemes.squares.mask_stream import key_masks, residues
from cryptable_protocol.schemes.squares.parameters import SquaresParameters
from cryptable_protocol.schemes.squares.windows import WindowAxis, Windows

SPECIFICATION = Path(__file__).parents[5] / "protos/SPEC-SQUARES.md"
KEYSET = SquaresKeyset(1, 0b111)
WINDOWS = Windows(2, (WindowAxis(2, 1, 2, 1, 1, 0), WindowAxis(3, 2, 2, 2, 1, 1)))
PARAMETERS = SquaresParameters(KEYSET, 2, 3, 8, 4, 2, 4, (65537, 114689), 3, 5_000_000_000, 28, 2.0**-128)


def is_prime(number: int) -> bool:
    """Miller and Rabin, with bases that leave no doubt below 2^64."""
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for base in (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37):
        power = pow(base, odd, number)
        if power in (1, number - 1):
            continue
        if not any((power := power * power % number) == number - 1 for _ in range(twos - 1)):
            return False
    return True


def test_chains_are_what_the_specification_says() -> None:
    text = SPECIFICATION.read_text("utf-8")
    for number, chain in CHAINS.items():
        bits = math.log2(math.prod(chain.primes))
        (row,) = re.findall(rf"^\| {number} \|.*$", text, re.MULTILINE)
        _, _, size, primes, written, most, _ = map(str.strip, row.split("|"))
        assert (int(size), tuple(map(int, primes.split(", ")))) == chain
        assert (float(written), bits < float(most)) == (round(bits, 1), True)


def test_chains_are_of_the_largest_primes_of_their_form() -> None:
    for chain in CHAINS.values():
        step = 2 * chain.ring_size
        for bits in {prime.bit_length() for prime in chain.primes}:
            own = [prime for prime in chain.primes if prime.bit_length() == bits]
            candidates = range(((1 << bits) - 2) // step * step + 1, own[-1] - 1, -step)
            assert own == [each for each in candidates if is_prime(each)]


def test_keysets_come_back_and_have_names_of_their_own() -> None:
    assert SquaresKeyset.from_bytes(KEYSET.to_bytes()) == KEYSET
    written = b"cryptable squares keyset\0" + bytes([1, 0, 0, 0, 7, 0, 0, 0])
    assert KEYSET.name == hashlib.sha256(written).digest()
    assert KEYSET.elements == (3, 9, 81)
    assert SquaresKeyset(1, 1 << 12).elements == (16383,)
    assert KEYSET.evaluation_keys_bytes == 16 + (4 * 3 + 1) * 4 * 8192 * 46 // 8
    for wrong in (b"", bytes(7), bytes(8), bytes([9, 0, 0, 0, 0, 0, 0, 0]), bytes([1, 0, 0, 0, 0, 32, 0, 0])):
        with pytest.raises(MalformedMessageError):
            SquaresKeyset.from_bytes(wrong)


def test_masks_are_residues_of_streams_of_their_own() -> None:
    prime = 70368743669761
    words = residues(bytes(16), 5, prime, 1000)
    assert (words < prime).all()
    assert abs(words.mean() / prime - 0.5) < 0.05
    assert (words[:10] == residues(bytes(16), 5, prime, 10)).all()
    assert not np.isin(words, residues(bytes(16), 6, prime, 1000)).any()
    # A quarter of all words of 17 bits is left out.
    assert (residues(bytes(16), 0, 98317, 5000) < 98317).all()
    pair = key_masks(KEYSET, bytes(16), KEYSET.rows)
    assert pair.shape == (4, 8192)
    assert not (pair == key_masks(KEYSET, bytes(16), 0)).any(axis=1).all()


def spec_of(parameters: SquaresParameters) -> ClientSpec:
    features = tuple(AffineEncoder(f"x{index}", 0.0, 1.0, 8) for index in range(parameters.inputs))
    return ClientSpec("m", features, parameters, Decoder(Link.SOFTMAX, (0, 1, 2), 0.5, (0.0, 0.0, 0.0), (0, 1, 2)))


def test_a_client_specification_comes_back_from_its_bytes() -> None:
    spec = spec_of(PARAMETERS)
    again = ClientSpec.from_bytes(spec.to_bytes())
    assert again == spec
    assert (again.scheme, again.p_error) == ("squares", 2.0**-128)


def test_a_specification_of_two_schemes_is_refused() -> None:
    message = pb.ClientSpec()
    PARAMETERS.write(message)
    message.keyset.secret_keys.add(dimension=1)
    with pytest.raises(MalformedMessageError, match="two schemes"):
        SquaresParameters.read(message)
    message.ClearField("keyset")
    message.levelled.keyset = 1
    for kind in (SquaresParameters, LevelledParameters):
        with pytest.raises(MalformedMessageError, match="scheme"):
            kind.read(message)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"inputs": 0}, "0 inputs"),
        ({"inputs": 9}, "9 inputs"),
        ({"block": 12}, "a block of 12 slots"),
        ({"block": 8192}, "a block of 8192 slots"),
        ({"copies": 3}, "3 copies"),
        ({"copies": 2048}, "2048 blocks of 8 slots"),
        ({"stride": 0}, "a stride of 0"),
        ({"stride": 9}, "a stride of 9"),
        ({"window": 0}, "a window of 0"),
        ({"window": 4096}, "3 outputs of 4096 classes"),
        ({"input_bits": 25}, "inputs of 25 bits"),
        ({"outputs": 0}, "0 outputs"),
        ({"moduli": ()}, "0 moduli"),
        ({"moduli": (114689, 65537)}, "do not strictly increase"),
        ({"moduli": (65537, 65537)}, "do not strictly increase"),
        ({"moduli": (16385,), "maximum": 9}, "no prime"),
        ({"moduli": (65539,), "maximum": 9}, "no prime of the form"),
        ({"moduli": (163841 * 65537,), "maximum": 9}, "26 bits"),
        ({"maximum": 65537 * 114689}, "the moduli tell apart"),
        ({"maximum": -1}, "outputs up to -1"),
        ({"answer_word_bits": 19}, "words of 19 bits"),
        ({"answer_word_bits": 37}, "words of 37 bits"),
        ({"answer_word_bits": 25}, "rounding alone"),
        ({"p_error": 0.0}, "p_error"),
        ({"p_error": float("nan")}, "p_error"),
    ],
)
def test_what_the_specification_forbids_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(MalformedMessageError, match=message):
        replace(PARAMETERS, **changes)


def test_windows_come_back_and_say_where_each_tap_lies() -> None:
    parameters = replace(PARAMETERS, inputs=12, windows=WINDOWS, stride=1)
    spec = spec_of(parameters)
    assert ClientSpec.from_bytes(spec.to_bytes()) == spec
    # Two channels of 2 x 3; windows of 1 x 2 at every second column from one before the first on.
    assert WINDOWS.table.tolist() == [[-1, 0, -1, 6], [1, 2, 7, 8], [-1, 3, -1, 9], [4, 5, 10, 11]]
    slots = parameters.layout.place(np.arange(100, 112))
    assert slots[:32].tolist() == [
        *(0, 101, 0, 104, 0, 0, 0, 0),
        *(100, 102, 103, 105, 0, 0, 0, 0),
        *(0, 107, 0, 110, 0, 0, 0, 0),
        *(106, 108, 109, 111, 0, 0, 0, 0),
    ]
    assert (slots.reshape(-1, 32) == slots[:32]).all()
    assert parameters.pinned_facts() != PARAMETERS.pinned_facts()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stride": 2}, "a stride of 2 between copies"),
        ({"inputs": 8}, "8 inputs, windows on a grid of 12"),
        ({"copies": 2}, "windows of 4 taps at 4 places in 2 blocks of 8"),
        ({"block": 2}, "windows of 4 taps at 4 places in 4 blocks of 2"),
        ({"copies": 1024}, "1024 blocks of 8 slots, a row of slots has 4096"),
        ({"windows": (2, ())}, "windows of 0 axes"),
        ({"windows": (0, WINDOWS.axes)}, "windows of 0 channels"),
        ({"windows": (2, (WindowAxis(2, 1, 2, 1, 1, 0), WindowAxis(3, 2, 2, 2, 1, -1)))}, "before=-1"),
        ({"windows": (2, (WindowAxis(16384, 1, 2, 1, 1, 0), WindowAxis(3, 2, 2, 2, 1, 1)))}, "98304 inputs"),
        ({"windows": (2, (WindowAxis(2, 1, 16385, 1, 1, 0),))}, "places=16385"),
    ],
)
def test_windows_that_fit_no_layout_are_refused(changes: dict[str, Any], message: str) -> None:
    fitting = replace(PARAMETERS, inputs=12, windows=WINDOWS, stride=1)
    with pytest.raises(MalformedMessageError, match=message):
        replace(fitting, **{name: Windows(*value) if name == "windows" else value for name, value in changes.items()})


def test_rows_and_answers_have_one_form() -> None:
    row = tensor_pb.EncryptedTensor(seed=bytes(16), polynomials=bytes(PARAMETERS.row_bytes))
    assert len(PARAMETERS.check_input(row)) == PARAMETERS.row_message_bytes
    answer = tensor_pb.EncryptedTensor(polynomials=bytes(PARAMETERS.answer_bytes))
    PARAMETERS.check_output(answer)
    assert PARAMETERS.row_bytes == 2 * 3 * 8192 * 46 // 8
    assert PARAMETERS.answer_bytes == 2 * (8192 + 16) * 28 // 8
    for wrong in (
        tensor_pb.EncryptedTensor(polynomials=row.polynomials),
        tensor_pb.EncryptedTensor(seed=bytes(15), polynomials=row.polynomials),
        tensor_pb.EncryptedTensor(seed=bytes(16), polynomials=row.polynomials[1:]),
        tensor_pb.EncryptedTensor(seed=bytes(16), polynomials=row.polynomials, bodies=bytes(8)),
    ):
        with pytest.raises(MalformedMessageError):
            PARAMETERS.check_input(wrong)
    for wrong in (row, tensor_pb.EncryptedTensor(polynomials=answer.polynomials[1:])):
        with pytest.raises(MalformedMessageError):
            PARAMETERS.check_output(wrong)


def test_what_is_pinned_changes_with_every_field_that_matters() -> None:
    pinned = PARAMETERS.pinned_facts()
    for changes in (
        {"stride": 3},
        {"moduli": (65537, 147457)},
        {"maximum": 9},
        {"answer_word_bits": 29},
        {"window": 2},
    ):
        assert replace(PARAMETERS, **changes).pinned_facts() != pinned


def test_parts_are_moduli_and_their_answers_make_one() -> None:
    assert parts_of(PARAMETERS) == 2
    assert parts_of(replace(PARAMETERS, moduli=(114689,), maximum=65536)) == 1
    each = PARAMETERS.answer_bytes // 2
    answers = [RingTensor(bytes([number]) * each).to_bytes() for number in (1, 2)]
    whole = whole_answer(PARAMETERS, answers)
    PARAMETERS.check_output(tensor_pb.EncryptedTensor.FromString(whole))
    assert RingTensor.from_bytes(whole).polynomials == b"\1" * each + b"\2" * each
    assert whole_answer(PARAMETERS, [whole]) == whole


@pytest.mark.parametrize(
    "damaged", [b"\1", b"", RingTensor(b"\1").to_bytes(), RingTensor(bytes(PARAMETERS.answer_bytes)).to_bytes()]
)
def test_an_answer_to_a_part_has_exactly_its_form(damaged: bytes) -> None:
    fine = RingTensor(bytes(PARAMETERS.answer_bytes // 2)).to_bytes()
    with pytest.raises(MalformedMessageError):
        whole_answer(PARAMETERS, [fine, damaged])


def test_as_many_answers_as_parts_or_one() -> None:
    fine = RingTensor(bytes(PARAMETERS.answer_bytes // 2)).to_bytes()
    with pytest.raises(InternalError, match="3 answers to parts of a row that has 2"):
        whole_answer(PARAMETERS, [fine] * 3)
