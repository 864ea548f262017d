"""How much spot checks catch, in the clear: nothing here depends on encryption."""

import hashlib
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from clear_client import clear_has_a_client
from clear_parameters import ClearParameters
from cryptable_client import SecretKeys, SpotChecks, WrongAnswersError
from cryptable_client.server.spot_checks import SpotCheckRun
from cryptable_protocol import AffineEncoder, ClientSpec, Decoder, InvalidInputError, Link
from cryptable_protocol.model.known_answers import KnownAnswers

SIGNER = "ab" * 32
ARTIFACT = hashlib.sha256(b"an artifact").digest()


@pytest.fixture(scope="module")
def clear_spec():
    with clear_has_a_client():
        parameters = ClearParameters.of(inputs=1, input_bits=12, outputs=1, output_bits=12, p_error=2.0**-40, keys=0)
        features = (AffineEncoder("a", 0.0, 1.0, 1 << 12),)
        yield ClientSpec("m", features, parameters, Decoder(Link.IDENTITY, (0,), 1.0, (0.0,)))


def run_of(spec, *, known=50, share=0.25):
    """The rows 0, 1, ... with themselves as answers."""
    rows = np.arange(known)[:, None]
    answers = KnownAnswers("m", spec.digest.hex(), ARTIFACT.hex(), rows, rows, 0, SIGNER)
    return SpotCheckRun(SpotChecks(answers, share), spec, artifact=ARTIFACT, signer=SIGNER)


@pytest.mark.parametrize("share", [0.001, 0.1, 1 / 3, 0.5, 0.9])
def test_the_number_is_fixed_by_share_and_rows(share, clear_spec):
    checks = run_of(clear_spec, share=share)._checks
    for rows in (1, 2, 3, 9, 10, 99, 1000):
        count = checks.among(rows)
        assert count >= max(1, Fraction(str(share)) * (rows + count))
        assert count - 1 < Fraction(str(share)) * (rows + count - 1)
    assert checks.among(0) == 0


def test_places_are_uniform_and_all_known_rows_serve(clear_spec):
    """Of 4000 draws, each place and each known row within six deviations of its mean."""
    run, places, rows = run_of(clear_spec, known=5, share=0.4), Counter(), Counter()
    encoded = np.full((6, 1), 99)
    with SecretKeys.generate(clear_spec) as keys:
        for _ in range(4000):
            batch = run.amid(encoded, keys)
            assert batch.is_check.sum() == 4
            places.update(np.flatnonzero(batch.is_check).tolist())
            rows.update(batch.rows[batch.is_check, 0].tolist())
            assert (batch.rows[~batch.is_check] == 99).all()
        assert sorted(places) == list(range(10))
        assert max(abs(count - 1600) for count in places.values()) < 6 * (4000 * 0.4 * 0.6) ** 0.5
        assert max(abs(count - 3200) for count in rows.values()) < 6 * (4000 * 0.8 * 0.2) ** 0.5


def test_answers_after_the_verdict_are_nobodys(clear_spec):
    """A call in another thread may end while the connection is closed: its checks would have no verdict."""
    run = run_of(clear_spec)
    with SecretKeys.generate(clear_spec) as keys:
        batch = run.amid(np.full((3, 1), 99), keys)
        run.give_verdict(keys)
        with pytest.raises(InvalidInputError, match="closed while rows were underway"):
            run.take(batch, batch.rows)
        assert not keys.retired


def test_more_checks_than_known_rows_repeat_them_evenly(clear_spec):
    with SecretKeys.generate(clear_spec) as keys:
        batch = run_of(clear_spec, known=5, share=0.9).amid(np.full((2, 1), 99), keys)
    times = Counter(batch.rows[batch.is_check, 0].tolist())
    assert sorted(times.values()) == [3, 3, 4, 4, 4]


@pytest.mark.parametrize("cheating", ["each row by chance", "the first ones", "every hundredth"])
def test_one_percent_of_wrong_answers_is_caught_as_stated(clear_spec, cheating):
    """By 100 checks among 300 rows: 1 - 0.99^100, or more where exactly 1 % are wrong. Within six deviations."""
    rng, runs, caught = np.random.default_rng(7), 300, 0
    encoded = rng.integers(0, 1 << 12, (300, 1))
    for _ in range(runs):
        run = run_of(clear_spec)
        with SecretKeys.generate(clear_spec) as keys:
            batch = run.amid(encoded, keys)
            match cheating:
                case "each row by chance":
                    wrong = rng.random(400) < 0.01
                case "the first ones":
                    wrong = np.arange(400) < 4
                case _:
                    wrong = np.arange(400) % 100 == 17
            answers = run.take(batch, batch.rows + wrong[:, None])
            np.testing.assert_array_equal(answers - encoded, wrong[~batch.is_check, None])
            try:
                run.give_verdict(keys)
            except WrongAnswersError:
                caught += 1
            assert keys.retired == (not run._all_right)
    stated = run._checks.catches(0.01, rows=300)
    assert stated == pytest.approx(1 - 0.99**100)
    expected = stated if cheating == "each row by chance" else 1 - np.prod([(300 - i) / (400 - i) for i in range(4)])
    assert expected >= stated - 1e-12
    assert abs(caught / runs - expected) < 6 * (expected * (1 - expected) / runs) ** 0.5
