"""compile(flooding_bits=): which scheme it means, what explain() says of it, and that artifacts keep it."""

import cryptable as ct
import numpy as np
import pytest
from cryptable_protocol import InvalidInputError, ModelArtifact
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis


@pytest.fixture(scope="module")
def rows():
    return np.random.default_rng(0).normal(size=(200, 3))


@pytest.fixture(scope="module")
def estimator(rows):
    return QuadraticDiscriminantAnalysis().fit(rows, (rows[:, 0] ** 2 + rows[:, 1] > 1).astype(int))


@pytest.fixture(scope="module")
def model(estimator, rows):
    return ct.compile(estimator, rows, flooding_bits=40, input_bits=8, show_progress=False)


def test_explain_has_the_price_of_flooding(model, estimator, rows):
    facts = model.explain()
    plain = ct.compile(estimator, rows, input_bits=8, show_progress=False).explain()
    assert (facts.squares.flooding_bits, plain.squares.flooding_bits) == (40, 0)
    assert facts.squares.price_over_plain == pytest.approx(facts.price / plain.price)
    assert facts.squares.price_over_plain > 1
    assert facts.squares.plain_modulus_bits == plain.squares.modulus_bits < facts.squares.modulus_bits
    assert "answers of equal scores differ by 2^-40 at most" in str(facts)
    assert "none: the noise of answers tells" in str(plain)


@pytest.mark.encrypted
def test_artifacts_keep_it_and_flooded_answers_are_the_circuit_s(model, rows, tmp_path):
    model.save(tmp_path / "model")
    assert ModelArtifact.load(tmp_path / "model").compile_options.flooding_bits == 40
    loaded = ct.load(tmp_path / "model")
    assert (loaded.predict(rows[:2], mode="encrypted") == model.predict(rows[:2])).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"flooding_bits": 0}, "flooding_bits is 0, expected 1 to 128"),
        ({"flooding_bits": 1.5}, "flooding_bits is 1.5, expected a whole number"),
        ({"flooding_bits": 8, "scheme": "levelled"}, "flooding_bits is of scheme 'squares', and scheme is 'levelled'"),
    ],
)
def test_what_it_is_not_for_is_refused(estimator, rows, options, message):
    with pytest.raises(InvalidInputError, match=message):
        ct.compile(estimator, rows, **options)
