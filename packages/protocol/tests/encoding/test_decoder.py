"""Decoders, against the formulas of SPEC.md one number at a time."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from cryptable_protocol import Decoder, InvalidInputError, Link, MalformedMessageError, Member
from cryptable_protocol.encoding.decoder import Labels
from cryptable_protocol.encoding.links import OF_PAIRS, REGRESSIONS
from hypothesis import given
from hypothesis import strategies as st

VALUES = st.integers(0, 2**20)


def decoder(link: Link, scores: int = 1, *, step: float = 0.25, offset: int = 0) -> Decoder:
    if link in OF_PAIRS:
        scores = max(3, scores)
    labels = None if link in REGRESSIONS else tuple(range(10, 10 + max(2, scores)))
    curve = ((-1.0, 0.0, 2.0), (3.0, 1.0, 1.5)) if link is Link.CURVE else ((), ())
    return Decoder(link, (offset,) * scores, step, (0.0,) * scores, labels, curve=curve)


@given(
    values=st.lists(st.integers(0, 2**62 - 1), min_size=3, max_size=3),
    offsets=st.lists(st.integers(-(2**62), 2**62), min_size=3, max_size=3),
    step=st.floats(1e-300, 1e200),
    bases=st.lists(st.floats(-1e200, 1e200), min_size=3, max_size=3),
)
def test_scores(values: list[int], offsets: list[int], step: float, bases: list[float]) -> None:
    scores = Decoder(Link.IDENTITY, tuple(offsets), step, tuple(bases)).decision_function(np.array([values]))
    expected = [float(value + offset) * step + base for value, offset, base in zip(values, offsets, bases, strict=True)]
    assert scores.tolist() == [expected]


def sigmoid(score: float) -> float:
    return 1 / (1 + math.exp(-score)) if score > -700 else 0.0


@given(value=VALUES, offset=st.integers(-(2**20), 2**20))
def test_one_score(value: int, offset: int) -> None:
    score = (value + offset) * 0.25
    values = np.array([[value]])
    for link in (Link.MARGIN, Link.SIGMOID, Link.SOFTMAX):
        assert decoder(link, offset=offset).predict(values).tolist() == [11 if score > 0 else 10]
    np.testing.assert_allclose(
        decoder(Link.SIGMOID, offset=offset).predict_proba(values),
        [[sigmoid(-score), sigmoid(score)]],
        rtol=1e-12,
        atol=1e-15,  # 1 - p, as SPEC.md has it
    )
    np.testing.assert_allclose(
        decoder(Link.SOFTMAX, offset=offset).predict_proba(values),
        [[sigmoid(-2 * score), sigmoid(2 * score)]],
        rtol=1e-12,
        atol=1e-300,
    )
    probability = min(max(score, 0.0), 1.0)
    assert decoder(Link.PROBABILITY, offset=offset).predict_proba(values).tolist() == [[1 - probability, probability]]
    assert decoder(Link.PROBABILITY, offset=offset).predict(values).tolist() == [11 if score > 0.5 else 10]


@given(values=st.lists(VALUES, min_size=4, max_size=4), offset=st.integers(-(2**20), 2**10))
def test_a_score_a_class(values: list[int], offset: int) -> None:
    scores = [(value + offset) * 0.25 for value in values]
    row = np.array([values])
    for link in (Link.MARGIN, Link.SIGMOID, Link.SOFTMAX, Link.PROBABILITY):
        assert decoder(link, 4, offset=offset).predict(row).tolist() == [10 + scores.index(max(scores))]

    singles = [sigmoid(score) for score in scores]
    total = sum(singles)
    expected = [single / total for single in singles] if total else [0.25] * 4
    found = decoder(Link.SIGMOID, 4, offset=offset).predict_proba(row)
    if total > 1e-250:  # below, exp() of subnormal results is not exact
        np.testing.assert_allclose(found, [expected], rtol=1e-9, atol=1e-50)  # `sigmoid` cuts off
    np.testing.assert_allclose(found.sum(), 1.0)

    shifted = [math.exp(score - max(scores)) for score in scores]
    np.testing.assert_allclose(
        decoder(Link.SOFTMAX, 4, offset=offset).predict_proba(row),
        [[each / sum(shifted) for each in shifted]],
        rtol=1e-9,
        atol=1e-300,
    )
    clipped = [min(max(score, 0.0), 1.0) for score in scores]
    assert decoder(Link.PROBABILITY, 4, offset=offset).predict_proba(row).tolist() == [clipped]


def test_all_sigmoids_zero_is_uniform() -> None:
    deep = decoder(Link.SIGMOID, 3, offset=-(2**40))
    assert deep.predict_proba(np.zeros((1, 3), np.int64)).tolist() == [[1 / 3] * 3]


def test_exponential_predicts_powers_of_e() -> None:
    made = decoder(Link.EXPONENTIAL, 2, step=0.5)
    values = np.array([[3, 0], [10_000, 1]])
    np.testing.assert_allclose(made.predict(values), [[math.exp(1.5), 1.0], [math.inf, math.exp(0.5)]])
    assert made.decision_function(values).tolist() == [[1.5, 0.0], [5000.0, 0.5]]
    assert not made.is_classifier


def test_logistic() -> None:
    made = decoder(Link.LOGISTIC, 1, step=0.5)
    scores = made.decision_function(np.array([[0], [3], [-4000], [4000]]))
    with np.errstate(over="ignore"):
        expected = 1.0 / (1.0 + np.exp(-scores))
    assert np.allclose(made.predict(np.array([[0], [3], [-4000], [4000]])), expected)


def test_first_of_equal_scores() -> None:
    assert decoder(Link.MARGIN, 3).predict(np.array([[1, 5, 5]])).tolist() == [11]


def test_largest_possible_scores_have_probabilities() -> None:
    steep = decoder(Link.SOFTMAX, 3, step=2.0**900)
    assert steep.predict_proba(np.array([[2**62, 0, 2**62]])).tolist() == [[0.5, 0.0, 0.5]]


def test_shapes() -> None:
    assert decoder(Link.IDENTITY).decision_function(np.zeros((5, 1), np.int64)).shape == (5,)
    assert decoder(Link.IDENTITY, 3).decision_function(np.zeros((5, 3), np.int64)).shape == (5, 3)
    assert decoder(Link.SIGMOID).predict_proba(np.zeros((0, 1), np.int64)).shape == (0, 2)
    for shape in ((5,), (5, 2)):
        with pytest.raises(InvalidInputError, match=r"expected \(rows, 1\)"):
            decoder(Link.IDENTITY).predict(np.zeros(shape, np.int64))


@pytest.mark.parametrize("link", Link)
def test_who_has_probabilities_is_known_before_anything_is_decrypted(link: Link) -> None:
    made = decoder(link)
    if link in (Link.SIGMOID, Link.SOFTMAX, Link.PROBABILITY):
        made.require_probabilities()
        made.predict_proba(np.zeros((1, 1), np.int64))
        return
    for act in (made.require_probabilities, lambda: made.predict_proba(np.zeros((1, made.scores), np.int64))):
        with pytest.raises(InvalidInputError, match="no probabilities"):
            act()


@pytest.mark.parametrize("labels", [("no", "yes"), ("", "x" * 256), (-(2**63), 2**63 - 1), (0, 1)])
def test_labels_come_back_as_they_are(labels: tuple[int | str, ...]) -> None:
    made = Decoder(Link.MARGIN, (-1,), 1.0, (0.0,), labels)
    assert made.is_classifier
    assert Decoder.from_message(made.to_message()) == made
    assert tuple(made.predict(np.array([[0], [2]])).tolist()) == labels


def test_regression_is_no_classifier() -> None:
    assert not decoder(Link.IDENTITY).is_classifier


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"offset": ()}, "0 offsets"),
        ({"base": (0.0, 0.0)}, "2 bases"),
        ({"offset": (2**62 + 1,)}, "beyond 2\\^62"),
        ({"step": 0.0}, "must be positive"),
        ({"step": -1.0}, "must be positive"),
        ({"step": math.nan}, "must be positive"),
        ({"step": math.inf}, "finite"),
        ({"step": 1e300}, "finite"),
        ({"base": (math.nan,)}, "finite"),
        ({"base": (math.inf,)}, "finite"),
        ({"further_bits": 3}, "3 bits that are not exact"),
        ({"further_bits": -1}, "-1 bits"),
        ({"labels": None}, "0 labels"),
        ({"labels": (1,)}, "1 labels"),
        ({"labels": (1, 2, 3)}, "3 labels"),
        ({"labels": (1, 1)}, "all different"),
        ({"labels": (1, "one")}, "two kinds"),
        ({"labels": (2, True)}, "two kinds"),
        ({"labels": (1, 2.0)}, "two kinds"),
        ({"labels": (b"a", b"b")}, "a strange one"),
        ({"labels": (0.0, -0.0)}, "all different"),
        ({"labels": (0.0, math.inf)}, "finite"),
        ({"labels": (1, 2**63)}, "64 bits"),
        ({"labels": ("a", "b\0")}, "control character"),
        ({"labels": ("a", "b" * 257)}, "257 characters"),
        ({"link": Link.IDENTITY}, "no labels"),
    ],
)
def test_decoders_that_cannot_be(fields: dict[str, object], message: str) -> None:
    good = {"link": Link.MARGIN, "offset": (0,), "step": 1.0, "base": (0.0,), "labels": (0, 1)}
    Decoder(**good)
    with pytest.raises(MalformedMessageError, match=message):
        Decoder(**{**good, **fields})


@pytest.mark.parametrize(
    ("labels", "kind"), [((False, True), "b"), ((0.0, 1.0), "f"), ((0, 1), "i"), (("no", "yes"), "U")]
)
def test_predictions_are_of_the_kind_of_the_labels(labels: Labels, kind: str) -> None:
    made = Decoder(Link.MARGIN, (0,), 1.0, (0.0,), labels)
    predicted = Decoder.from_message(made.to_message()).predict(np.array([[1], [0], [-1]]))
    assert predicted.dtype.kind == kind
    assert predicted.tolist() == [labels[1], labels[0], labels[0]]


def test_predictions_are_a_column_where_the_models_are() -> None:
    values = np.array([[1], [0], [3]])
    number = replace(decoder(Link.EXPONENTIAL), column=True)
    label = Decoder.from_message(replace(decoder(Link.SOFTMAX), column=True).to_message())
    assert number.predict(values)[:, 0].tolist() == decoder(Link.EXPONENTIAL).predict(values).tolist()
    assert label.predict(values).tolist() == [[11], [10], [11]]
    assert label.predict_proba(values).shape == (3, 2)
    assert number.decision_function(values).shape == (3,)
    assert replace(decoder(Link.SOFTMAX, 3), column=True).predict(np.array([[1, 5, 2]])).tolist() == [[11]]
    with pytest.raises(MalformedMessageError, match="a column of predictions that are 2 numbers a row"):
        replace(decoder(Link.IDENTITY, 2), column=True)


def test_a_curve_is_straight_between_its_knots_and_constant_beyond() -> None:
    values = np.array([[0], [14], [16], [18], [100]])  # scores -4, -0.5, 0, 0.5, 21
    predicted = decoder(Link.CURVE, offset=-16).predict(values)
    assert predicted.tolist() == [3.0, 2.0, 1.0, 1.125, 1.5]


@given(values=st.lists(VALUES, min_size=6, max_size=6), weight=st.floats(0, 1))
def test_members_add_up(values: list[int], weight: float) -> None:
    """Of three classes: logits, and probabilities that are calibrated."""
    members = (
        Member(Link.SOFTMAX, 3, weight),
        Member(Link.SIGMOID, 3, 1 - weight, (4.0, 3.0, -2.0), (-1.0, 0.0, 1.0)),
    )
    offset = (-(2**19),) * 6
    summed = Decoder(Link.PROBABILITY, offset, 2.0**-18, (0.0,) * 6, (7, 8, 9), members=members)
    scores = [(value - 2**19) * 2.0**-18 for value in values]
    total = sum(math.exp(score) for score in scores[:3])
    apart = [sigmoid(score) for score in scores[3:]]
    calibrated = [
        sigmoid(slope * each / sum(apart) + intercept)
        for each, slope, intercept in zip(apart, (4.0, 3.0, -2.0), (-1.0, 0.0, 1.0), strict=True)
    ]
    expected = [
        weight * math.exp(score) / total + (1 - weight) * each / sum(calibrated)
        for score, each in zip(scores[:3], calibrated, strict=True)
    ]
    assert summed.predict_proba(np.array([values]))[0].tolist() == pytest.approx(expected, abs=1e-12)
    assert summed.outputs == 3


def test_contributions_are_read_whether_or_not_they_add_up() -> None:
    """An error where they do not would tell a server that cheats of the secret key."""
    names = ("age", "age & bmi")
    one = Decoder(Link.IDENTITY, (-4, -1, -2), 0.5, (10.0,), contributions=names, contribution_base=(-1,))
    values = np.array([[7, 4, 3], [3, 0, 3]])
    assert one.decision_function(values).tolist() == [11.5, 9.5]
    assert one.base_values == (9.5,)
    assert one.contributions_of(values).tolist() == [[1.5, 0.5], [-0.5, 0.5]]
    assert one.contributions_of(np.array([[3, 1, 3]])).tolist() == [[0.0, 0.5]]
    assert one.contributions_of(np.empty((0, 3), np.int64)).shape == (0, 2)
    several = Decoder(
        Link.SOFTMAX, (0,) * 6, 1.0, (0.0, 1.0), (0, 1), contributions=("a", "b"), contribution_base=(0, 0)
    )
    assert several.contributions_of(np.array([[3, 5, 1, 2, 4, 1]])).tolist() == [[[1.0, 2.0], [4.0, 1.0]]]


def test_a_model_without_contributions_says_who_can_help() -> None:
    with pytest.raises(InvalidInputError, match='compile it with explain="contributions"'):
        decoder(Link.SIGMOID).contributions_of(np.array([[1]]))
