"""Parameters of rows in bulk: what is refused, that bytes come back, and what a server says of a second way."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from cryptable_protocol import ClientSpec, Decoder, Link, MalformedMessageError, ThermometerEncoder
from cryptable_protocol.messages import client_spec as pb
from cryptable_protocol.messages import tensor as tensor_pb
from cryptable_protocol.model.bulk_spec import BulkSpec
from cryptable_protocol.schemes.squares.bulk_parameters import BulkParameters
from cryptable_protocol.schemes.squares.keyset import SquaresKeyset
from cryptable_protocol.schemes.squares.lattice import dimension, points
from cryptable_protocol.schemes.squares.parameters import SquaresParameters
from cryptable_protocol.wire.canonical import to_canonical_bytes

PARAMETERS = BulkParameters(1, 9, 1, 65537, 2, 60_000, 28, 2.0**-128)
POINTS = replace(PARAMETERS, thermometers=(3, 1, 5), degree=2)
COLUMN_BYTES = 3 * 8192 * 46 // 8


def spec_of(parameters: Any) -> ClientSpec:
    features = tuple(ThermometerEncoder(f"x{index}", (0.0, 1.0, 2.0)) for index in range(3))
    decoder = Decoder(Link.IDENTITY, (0,) * parameters.outputs, 1.0, (0.0,) * parameters.outputs)
    return ClientSpec("model", features, parameters, decoder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"chain": 6}, "chain 6 is not known"),
        ({"inputs": 0}, "0 inputs"),
        ({"outputs": 0}, "0 outputs"),
        ({"inputs": 3800}, "3800 columns of 8192 rows take"),
        ({"outputs": 1200}, "1200 outputs of 8192 rows take"),
        ({"level": 3}, "columns modulo 3 primes, expected fewer than 3, or 0"),
        ({"level": -1}, "columns modulo -1 primes"),
        ({"modulus": 70368743374849}, "modulus 70368743374849, expected 15 .. 45 bits"),
        ({"input_bits": 25}, "inputs of 25 bits"),
        ({"modulus": 40961}, "modulus 40961 is no prime of the form 16384 k"),
        ({"maximum": 65537}, "outputs up to 65537, modulo 65537"),
        ({"answer_word_bits": 25}, "words of 25 bits: rounding alone"),
        ({"answer_word_bits": 58}, "words of 58 bits, expected 20 .. 57"),
        ({"p_error": 0.0}, "p_error 0.0"),
    ],
)
def test_parameters_that_fit_nothing_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(MalformedMessageError, match=message):
        replace(PARAMETERS, **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"degree": 0}, "a lattice of degree 0, expected one of"),
        ({"degree": 3}, "a lattice of degree 3, expected one of"),
        ({"thermometers": ()}, "thermometers of 0 bits, of 9 inputs"),
        ({"thermometers": (3, 5)}, "thermometers of 8 bits, of 9 inputs"),
        ({"thermometers": (3, 0, 6)}, "thermometers of 9 bits, of 9 inputs"),
        ({"input_bits": 2}, "thermometers of inputs of 2 bits"),
    ],
)
def test_thermometers_that_fit_nothing_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(MalformedMessageError, match=message):
        replace(POINTS, **changes)


def test_points_have_columns_of_their_own_and_come_back() -> None:
    assert (POINTS.columns, POINTS.row_bytes) == (2 + 1 + 2, 5 * COLUMN_BYTES)
    assert ClientSpec.from_bytes(spec_of(POINTS).to_bytes()).parameters == POINTS
    assert POINTS.pinned_facts() != PARAMETERS.pinned_facts()


def test_columns_may_have_fewer_primes_than_the_chain() -> None:
    """Bodies are shorter, keys and answers are as they were."""
    short = replace(PARAMETERS, level=2)
    assert short.fresh.data == PARAMETERS.fresh.data[:2]
    assert (short.row_bytes, short.answer_bytes) == (9 * COLUMN_BYTES * 2 // 3, PARAMETERS.answer_bytes)
    assert short.keyset == PARAMETERS.keyset
    assert short.fresh.primes[-1] == PARAMETERS.keyset.chain.primes[-1]
    assert ClientSpec.from_bytes(spec_of(short).to_bytes()).parameters == short


def test_points_are_in_the_order_of_their_sums_and_as_few_as_there_are_numbers_of_ones() -> None:
    assert points(5, 2).tolist() == [[0, 0], [0, 1], [1, 0], [0, 2], [1, 1], [2, 0]]
    assert points(1, 8).tolist() == [[0], [1]]
    for bits, degree in ((94, 4), (94, 8), (6, 2), (2000, 8)):
        found = points(bits, degree)
        assert found.shape == (bits + 1, dimension(bits, degree))
        assert len({tuple(point) for point in found.tolist()}) == bits + 1
        assert found.sum(axis=1).max() <= degree
        if dimension(bits, degree) > 1:  # a coordinate fewer would not do
            assert math.comb(degree + dimension(bits, degree) - 1, degree) <= bits
        seen: set[tuple[int, ...]] = set()
        for point in map(tuple, found.tolist()):  # with each, all that are no greater
            below = [(*point[:at], point[at] - 1, *point[at + 1 :]) for at in range(len(point)) if point[at]]
            assert seen.issuperset(below)
            seen.add(point)


def test_rows_and_answers_have_one_form() -> None:
    row = tensor_pb.EncryptedTensor(seed=bytes(16), polynomials=bytes(PARAMETERS.row_bytes))
    assert len(PARAMETERS.check_input(row)) == PARAMETERS.row_message_bytes
    answer = tensor_pb.EncryptedTensor(polynomials=bytes(PARAMETERS.answer_bytes))
    PARAMETERS.check_output(answer)
    assert len(to_canonical_bytes(answer)) == PARAMETERS.answer_message_bytes
    assert (PARAMETERS.row_bytes, PARAMETERS.answer_bytes) == (9 * COLUMN_BYTES, 2 * 2 * 8192 * 28 // 8)
    assert PARAMETERS.rows == 8192


def test_a_specification_comes_back_and_has_one_kind_of_parameters() -> None:
    spec = spec_of(PARAMETERS)
    again = ClientSpec.from_bytes(spec.to_bytes())
    assert (again, again.scheme) == (spec, "squares")
    message = pb.ClientSpec.FromString(spec.to_bytes())
    message.squares.chain = 1
    with pytest.raises(MalformedMessageError, match="two schemes"):
        ClientSpec.from_bytes(to_canonical_bytes(message))


def test_what_is_pinned_changes_with_every_field_that_matters() -> None:
    for changes in ({"modulus": 114689}, {"maximum": 9}, {"answer_word_bits": 29}, {"chain": 2}, {"level": 1}):
        assert replace(PARAMETERS, **changes).pinned_facts() != PARAMETERS.pinned_facts()


def test_a_second_way_has_the_models_encoders_and_decoder() -> None:
    model = spec_of(SquaresParameters(SquaresKeyset(1, 7), 9, 1, 16, 4, 2, 4, (65537,), 2, 60_000, 28, 2.0**-128))
    bulk = BulkSpec.of(model, PARAMETERS, 25)
    assert BulkSpec.from_bytes(bulk.to_bytes(), model) == bulk
    assert (bulk.spec.features, bulk.spec.decoder) == (model.features, model.decoder)
    assert bulk.spec.digest != model.digest


def test_a_second_way_that_does_not_fit_its_model_is_refused() -> None:
    model = spec_of(PARAMETERS)
    good = pb.BulkSpec.FromString(BulkSpec.of(model, PARAMETERS, 25).to_bytes())
    for change, why in (
        (lambda message: setattr(message, "least_rows", 0), "0 rows at least"),
        (lambda message: setattr(message, "least_rows", 8193), "8193 rows at least"),
        (lambda message: message.ClearField("parameters"), "no parameters"),
        (lambda message: setattr(message.parameters, "inputs", 8), "the input tensor has 8"),
        (lambda message: setattr(message.parameters, "outputs", 3), "the output tensor has 3"),
        (lambda message: setattr(message.parameters, "modulus", 81921), "no prime"),
        (lambda message: setattr(message.parameters, "chain", 9), "chain 9"),
    ):
        message = pb.BulkSpec()
        message.CopyFrom(good)
        change(message)
        with pytest.raises(MalformedMessageError, match=why):
            BulkSpec.from_bytes(to_canonical_bytes(message), model)
    with pytest.raises(MalformedMessageError):
        BulkSpec.from_bytes(b"\xff", model)
