"""Levelled models on a server that answers pages over TLS, and what the Python client says of their rows."""

import os
from dataclasses import dataclass, field, replace
from typing import Any

import cryptable as ct
import numpy as np
import pandas as pd
import pytest
from cryptable_client import connect
from server_process import make_artifact, run_server, tables_circuit
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from web_calls import ORIGIN, address_of
from xgboost import XGBClassifier, XGBRegressor

from examples.browser.__main__ import trained
from examples.browser.site import origin_of, reserved

ROWS = int(os.environ.get("CRYPTABLE_WEB_ROWS", "16"))
"""Of each model; 200 for evidence."""


@dataclass
class Model:
    """A compiled model, rows of any table, and what the Python client makes of them over gRPC."""

    compiled: Any
    rows: Any
    labels: Any = None
    scores: Any = None
    values: Any = None
    probabilities: Any = None
    contributions: Any = None

    def first(self, count):
        """With the first of its rows alone."""
        taken = {name: value[:count] for name, value in vars(self).items() if name != "compiled" and value is not None}
        return replace(self, **taken)


def binary():
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    fitted = XGBClassifier(n_estimators=5, max_depth=3, random_state=0).fit(X, y)
    return Model(ct.compile(fitted, X, name="binary", scheme="levelled", show_progress=False), X[10 : 10 + ROWS])


def classes():
    X, y = load_digits(return_X_y=True)
    fitted = RandomForestClassifier(n_estimators=3, max_depth=4, random_state=0).fit(X, y)
    return Model(ct.compile(fitted, X, name="classes", scheme="levelled", show_progress=False), X[:ROWS])


def regression():
    X, y = load_diabetes(return_X_y=True)
    fitted = XGBRegressor(objective="count:poisson", n_estimators=4, max_depth=3, random_state=0).fit(X, y)
    return Model(ct.compile(fitted, X, name="regression", scheme="levelled", show_progress=False), X[:ROWS])


def levels():
    """Probabilities after their link, by a table: for the client a number like any other."""
    X, y = load_breast_cancer(return_X_y=True)
    fitted = XGBClassifier(n_estimators=3, max_depth=2, random_state=0).fit(X, y)
    options = {"answer": "probability", "levels": 16, "show_progress": False}
    return Model(ct.compile(fitted, X, name="levels", **options), X[:ROWS])


def gaps():
    """Categories and missing values; strings, which take their own way through a client."""
    rng = np.random.default_rng(0)
    count = 400
    X = pd.DataFrame(
        {
            "dose": rng.normal(size=count),
            "age": rng.integers(20, 90, count).astype(float),
            "site": pd.Categorical(rng.choice(["skin", "lung", "bone"], count)),
        }
    )
    y = (X["dose"] + (X["site"] == "lung") - X["age"] / 80 > 0).astype(int)
    X.loc[rng.random(count) < 0.2, "dose"] = np.nan
    X.loc[rng.random(count) < 0.2, "site"] = np.nan
    fitted = HistGradientBoostingClassifier(max_iter=4, max_depth=3, categorical_features="from_dtype", random_state=0)
    return Model(ct.compile(fitted.fit(X, y), X, name="gaps", scheme="levelled", show_progress=False), X[:ROWS])


def line():
    """Ten scores of integers, weights hidden: keys of its own, a public pair."""
    X, y = load_digits(return_X_y=True)
    fitted = LogisticRegression(max_iter=200).fit(X / 16, y)
    return Model(ct.compile(fitted, X / 16, name="line", hide_weights=True, show_progress=False), X[:ROWS] / 16)


def tumour():
    """The demo's, with contributions."""
    compiled, X, y = trained()
    return Model(compiled, X[:ROWS], labels=y)


MAKERS = (binary, classes, regression, levels, gaps, line, tumour)


@dataclass
class Served:
    """The server, where pages call it, and its models by name."""

    server: Any
    url: str
    certificate: Any
    sites: Any
    """Two, for pages that may call."""
    models: dict[str, Model] = field(default_factory=dict)


@pytest.fixture(scope="session")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("web")
    directory = folder / "models"
    directory.mkdir()
    models = {}
    for make in MAKERS:
        models[make.__name__] = model = make()
        model.compiled.save(directory / f"{make.__name__}.cryptable")
    make_artifact("tables", tables_circuit(), folder / "bootstrapped").save(directory / "tables.cryptable")
    certificates = folder / "certificates"
    sites = reserved(), reserved()
    origins = ",".join((ORIGIN, *map(origin_of, sites)))
    options = ("--development-certificate", certificates, "--web-address", "localhost:0", "--web-origins", origins)
    with run_server(directory, folder / "server", *options) as server:
        certificate = certificates / "certificate.pem"
        for name, model in models.items():
            ask(server.address, certificate, name, model)
        port = address_of(server)[1]
        yield Served(server, f"https://localhost:{port}", certificate, sites, models)
    for site in sites:
        site.server_close()


def ask(address, certificate, name, model):
    """The Python client's answers."""
    address = address.replace("127.0.0.1", "localhost")
    with connect(address, model=name, root_certificates=certificate) as remote:
        model.values = remote.predict(model.rows)
        decoder = remote.spec.decoder
        if decoder.link.name != "EXPONENTIAL":
            model.scores = remote.decision_function(model.rows)
        if decoder.labels is not None:
            model.probabilities = remote.predict_proba(model.rows)
        if decoder.contributions:
            model.contributions = remote.contributions(model.rows)
