"""What explain() says of rows in bulk: of trees and networks what they cost, as a server finds it, and else why not."""

import cryptable as ct
import numpy as np
import pytest
from cryptable.explaining.bulk import InBulk
from cryptable.neural import QuantNeuralNetClassifier
from cryptable_engine import Program, compile_in_bulk, least_rows_in_bulk
from rich.console import Console
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(200, 3))
Y = X[:, 0] * X[:, 1] > 0


def shown(explanation):
    console = Console(width=4000)
    with console.capture() as capture:
        console.print(explanation)
    return " ".join(capture.get().split())


@pytest.fixture(scope="module")
def trees():
    forest = RandomForestClassifier(4, max_depth=3, random_state=0).fit(X, Y)
    return ct.compile(forest, X, scheme="levelled", show_progress=False)


@pytest.fixture(scope="module")
def squares():
    classifier = QuantNeuralNetClassifier((4,), activation="square", input_bits=2, max_epochs=1, random_state=0)
    return classifier.fit(X, Y)


def check(model, folder):
    """The figures are those of the program that a server makes."""
    explanation, program = model.explain(), compile_in_bulk(model.circuit, 2.0**-128, folder / "bulk")
    facts, parameters = explanation.bulk.facts, program.parameters
    assert explanation.bulk.refused is None
    assert (facts.rows, facts.columns, facts.modulus) == (parameters.rows, parameters.columns, parameters.modulus)
    assert facts.tensor_bytes == parameters.row_bytes == round(facts.up * facts.rows)
    assert facts.down * facts.rows == parameters.answer_bytes
    assert facts.server_seconds * facts.rows == pytest.approx(1e-6 * program.price)
    alone = model.artifact.client_spec, explanation.price
    assert facts.least_rows == least_rows_in_bulk(*alone, parameters, program.price) <= facts.rows
    assert f"less work from {facts.least_rows} rows on" in shown(explanation)
    assert explanation.to_dict()["bulk"]["facts"]["least_rows"] == facts.least_rows
    return facts


def test_trees_and_networks_of_squares_say_what_a_row_costs_in_bulk(trees, squares, tmp_path):
    check(trees, tmp_path)
    network = ct.compile(squares, X, show_progress=False)
    assert network.artifact.client_spec.scheme == "squares"
    (tmp_path / "squares").mkdir()
    check(network, tmp_path / "squares")


def test_a_full_tensor_that_is_more_work_than_its_rows_is_told(trees):
    """As a server finds it, which then offers none."""
    own = trees.explain().bulk
    cheap = Program(own.program.directory, own.program.parameters, 1e-3)
    told = InBulk(own.circuit, cheap, own.spec, is_flooded=False)
    assert told.facts.least_rows is None
    assert "more work than rows alone" in str(told)


def test_models_without_rows_in_bulk_say_why_or_nothing(squares):
    flooded = ct.compile(squares, X, flooding_bits=8, show_progress=False).explain()
    assert (flooded.bulk.facts, "answers are flooded" in shown(flooded)) == (None, True)
    linear = ct.compile(LogisticRegression().fit(X, Y), X, show_progress=False).explain()
    assert linear.bulk is None
    assert "rows in bulk" not in shown(linear)
    assert linear.to_dict()["bulk"] is None
