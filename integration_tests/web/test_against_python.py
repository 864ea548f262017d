"""The browser's client in Node against a real server over TLS: answers are the Python client's, to the last bit."""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from node import WEB, built

pytestmark = [pytest.mark.encrypted, pytest.mark.xdist_group("web")]
PREDICT = Path(__file__).with_name("predict.mjs")


def as_json(rows):
    """Lists, or objects by name where the columns have names; a missing value is null."""
    if isinstance(rows, pd.DataFrame):
        return [{name: plain(value) for name, value in row.items()} for row in rows.to_dict("records")]
    return [[plain(value) for value in row] for row in np.asarray(rows).tolist()]


def plain(value):
    return None if value is None or value != value else value


@pytest.fixture(scope="module")
def found(request):
    built()  # before the server is started, where node is missing
    served = request.getfixturevalue("served")
    done = subprocess.run(
        ["node", PREDICT, WEB / "dist/index.js", served.url],
        input=json.dumps({name: as_json(model.rows) for name, model in served.models.items()}),
        env={**os.environ, "NODE_EXTRA_CA_CERTS": str(served.certificate)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def agree(model, answers):
    """Whether answers in JSON are what the Python client says of the same rows."""
    assert len(answers) == len(model.rows)
    np.testing.assert_array_equal([answer["value"] for answer in answers], model.values)
    if model.scores is not None:
        scores = np.array([answer["scores"] for answer in answers])
        np.testing.assert_array_equal(scores.reshape(model.scores.shape), model.scores)
    if model.probabilities is not None:
        np.testing.assert_array_equal([answer["probabilities"] for answer in answers], model.probabilities)
    if model.contributions is not None:
        made = np.array([answer["contributions"] for answer in answers])
        np.testing.assert_array_equal(made.reshape(model.contributions.shape), model.contributions)
    assert len(set(model.values.tolist())) > 1, "rows that are all alike would show nothing"


@pytest.mark.parametrize("name", ["binary", "classes", "regression", "levels", "gaps", "tumour"])
def test_every_answer_is_the_python_clients(found, served, name):
    agree(served.models[name], found["answers"][name])


@pytest.mark.parametrize("name", ["binary", "classes", "regression", "levels", "gaps", "tumour"])
def test_rows_together_have_the_same_answers_in_fewer_bytes(found, served, name):
    agree(served.models[name], found["together"][name])
    (alone, bytes_alone), (together, bytes_together) = found["sent"][name]
    assert alone == len(served.models[name].rows)
    if name in ("levels", "tumour"):  # tables that are turned, and a linear model
        assert together == alone
    else:
        assert together < alone / 2
        assert bytes_together < bytes_alone / 3


def test_models_are_listed(found):
    assert sorted(found["models"]) == ["binary", "classes", "gaps", "levels", "line", "regression", "tables", "tumour"]


def test_what_is_refused_says_why_and_what_to_do(found):
    refusals = found["refusals"]
    assert refusals["scheme"]["name"] == "UnsupportedSchemeError"
    assert "levelled" in refusals["scheme"]["advice"]
    assert refusals["model"]["name"] == "NotFoundError"
    assert refusals["row"]["name"] == "InvalidInputError"
    assert "3 values" in refusals["row"]["message"]


def test_forgotten_keys_are_gone_here_and_there(found, served):
    assert found["keysDiffer"]
    assert len(served.server.events("DeleteEvaluationKeys")) >= 2


def test_a_row_is_small(found):
    assert max(answer["bytes"] for answers in found["answers"].values() for answer in answers) < 40_000
