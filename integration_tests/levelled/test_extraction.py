"""How many questions take a small model apart: of an honest client, and of one that sends what is no honest row.

docs/threat-model.md says that some tens do, of either kind. Both really ask an encrypted model here, and are counted.
Scores of trees of depth two are sums of functions of two features each, and of two bits each. An honest client asks for
rows in which two features at most are above their least; one that is not sends each pair of bits alone, which no row
is encoded to. Both then know what the model gives for every row. Of a model that answers labels, as many honest
questions as give all leaves away tell hardly anything; of one that answers probabilities in levels, little.
"""

from dataclasses import replace
from itertools import combinations

import cryptable as ct
import numpy as np
import pytest
from cryptable.compiled.local_session import LocalSession
from cryptable_engine import interpret
from cryptable_protocol import Link, encode_rows
from scipy.linalg import qr
from sklearn.datasets import load_breast_cancer
from xgboost import XGBClassifier

pytestmark = pytest.mark.encrypted

X, Y = load_breast_cancer(return_X_y=True)
X = X[:, :3]


class Questions:
    """Answers of the encrypted model, each asked for once; what the client reads of them, it reads modulo `modulus`."""

    def __init__(self, model):
        spec = model.artifact.client_spec
        self.modulus = spec.parameters.modulus
        # A client of one's own reads all that moduli tell apart, and not only what an honest row can score.
        parameters = replace(spec.parameters, maximum=self.modulus - 1)
        self._session = LocalSession(replace(spec, parameters=parameters), model._program())
        self.answers = {}

    def ask(self, bits):
        key = tuple(map(int, bits))
        if key not in self.answers:
            self.answers[key] = int(self._session.evaluate(np.array([key], np.int64))[0, 0])
        return self.answers[key]


@pytest.fixture(scope="module")
def estimator():
    return XGBClassifier(n_estimators=3, max_depth=2, random_state=0).fit(X, Y)


@pytest.fixture(scope="module")
def model(estimator):
    made = ct.compile(estimator, X, show_progress=False)
    assert made.artifact.client_spec.scheme == "levelled"
    assert made.circuit.products > 0
    return made


def sum_of_parts(questions, parts):
    """The score of a row, from those of rows with at most two of its parts, which are arrays of bits.

    A sum of functions of pairs is what it gives for each pair, less what it gives for a single part too often.
    """
    nothing = np.zeros_like(parts[0]) if parts else None
    pairs = sum(questions.ask(one + other) for one, other in combinations(parts, 2))
    alone = sum(questions.ask(part) for part in parts)
    count = len(parts)
    return pairs - (count - 2) * alone + (count - 1) * (count - 2) // 2 * questions.ask(nothing)


def by_features(row, features):
    """The row's bits, of one feature each, where there are some."""
    ends = np.cumsum([feature.size for feature in features])
    place = np.arange(row.size)
    bounds = zip([0, *ends[:-1]], ends, strict=True)
    return [np.where((place >= start) & (place < end), row, 0) for start, end in bounds if end > start]


def by_bits(row, _):
    """The row's bits, one each."""
    return [np.where(np.arange(row.size) == bit, 1, 0) for bit in np.flatnonzero(row)] or [np.zeros_like(row)]


@pytest.mark.parametrize("parts_of", [by_features, by_bits])
def test_some_tens_of_questions_give_the_score_of_every_row(model, parts_of):
    features, questions = model.artifact.client_spec.features, Questions(model)
    rows = np.unique(encode_rows(features, X), axis=0)
    assert len(rows) > 20
    own = interpret(model.circuit, rows)[:, 0].tolist()
    assert [sum_of_parts(questions, parts_of(row, features)) % questions.modulus for row in rows] == own
    honest = {tuple(row) for row in _all_rows(features)}
    asked = set(questions.answers)
    assert (asked <= honest) == (parts_of is by_features)
    assert len(asked) <= 40


def terms_of(rows, features):
    """What scores of trees of depth two are linear in: a constant, the bits, and products of two features' bits."""
    feature_of = np.repeat(np.arange(len(features)), [feature.size for feature in features])
    pairs = [
        (one, other) for one, other in combinations(range(rows.shape[1]), 2) if feature_of[one] != feature_of[other]
    ]
    first, second = np.array(pairs).T
    return np.concatenate([np.ones((len(rows), 1)), rows, rows[:, first] * rows[:, second]], axis=1)


def test_a_client_that_solves_for_leaves_succeeds_with_scores_and_not_with_labels_of_the_same_questions():
    wider = load_breast_cancer().data[:, :6]
    estimator = XGBClassifier(n_estimators=6, max_depth=2, random_state=0).fit(wider, Y)
    models = [
        ct.compile(estimator, wider, show_progress=False, **options)
        for options in ({}, {"answer": "label"}, {"answer": "probability", "levels": 8})
    ]
    features = models[0].artifact.client_spec.features
    assert all(model.artifact.client_spec.features == features for model in models)
    random = np.random.default_rng(0)
    sizes = [feature.size for feature in features]
    drawn = [(np.arange(size) < random.integers(0, size + 1, (2000, 1))).astype(np.int64) for size in sizes]
    rows = np.unique(np.concatenate(drawn, axis=1), axis=0)
    unknown = np.linalg.matrix_rank(terms_of(rows, features))
    order = qr(terms_of(rows, features).T, mode="r", pivoting=True)[1]
    asked, fresh = rows[order[:unknown]], rows[order[unknown:]]  # as few questions as determine a sum of leaves
    found, scores = [], []
    for model in models:
        questions, decoder = Questions(model), model.artifact.client_spec.decoder
        answers = np.array([questions.ask(row) for row in asked], float)
        if decoder.link is Link.PROBABILITY:  # whose scores are about those of the middles of levels
            middles = decoder.predict_proba(answers.astype(np.int64)[:, None])[:, 1]
            answers = np.log(middles / (1 - middles))
        solved = np.linalg.lstsq(terms_of(asked, features), answers, rcond=None)[0]
        own = interpret(model.circuit, fresh)[:, 0]
        predicted = terms_of(fresh, features) @ solved
        scores.append(predicted)
        if decoder.link is Link.PROBABILITY:
            predicted = 2 * np.floor(8 / (1 + np.exp(-predicted))) + 1 - 16 * decoder.base[0]
        found.append((np.rint(predicted) == own).mean())
    assert (len(asked), len(fresh)) == (unknown, len(rows) - unknown)
    assert unknown < 100 < len(fresh)
    assert found[0] == 1.0
    assert found[1] < 0.5
    assert found[2] < 0.7  # and yet, as many questions tell which rows have higher scores than others: 0.94
    assert [round(np.corrcoef(scores[0], each)[0, 1], 1) for each in scores] == [1.0, 0.6, 0.9]
    # Nor do its sums tell the side: a label is right by chance, or since most rows have it.
    labels = interpret(models[1].circuit, fresh)[:, 0]
    assert ((scores[1] > 1) == (labels > 1)).mean() < 0.9


def _all_rows(features):
    """Every row that a client can encode, as bits."""
    thermometers = [np.tri(feature.size + 1, feature.size, -1, dtype=np.int64).tolist() for feature in features]
    rows = [[]]
    for values in thermometers:
        rows = [row + value for row in rows for value in values]
    return rows
