"""How cost grows: with trees, depth, features, rows. Products are planned; rows of a linear model really evaluated."""

from __future__ import annotations

import time
from typing import Any

import cryptable as ct
import numpy as np
from cryptable.compiled.local_session import LocalSession
from cryptable.compiling.plan import plan
from cryptable.compiling.settings import CompileSettings
from cryptable.cost.prices import price_list
from cryptable.graphs.graph import Estimator
from cryptable_protocol import encode_rows
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from xgboost import XGBClassifier

from .models import split

TREES = (5, 10, 20, 50, 100)
DEPTHS = (1, 2, 3, 4, 5)
FEATURES = (5, 10, 20, 40)
ROWS = (1, 4, 16, 64)


def _planned(estimator: Estimator, rows: Any, size: int) -> dict[str, Any]:  # noqa: ANN401
    circuit = plan(estimator, rows, CompileSettings(scheme="levelled")).circuit
    # The price list of the scheme counts in microseconds.
    seconds = 1e-6 * price_list(scheme="levelled").circuit(circuit)
    return {"at": size, "products": circuit.products, "cpu_seconds": seconds}


def measure_growth() -> dict[str, list[dict[str, Any]]]:
    """By what grows: the size, the products and predicted CPU seconds; for rows, the CPU seconds of all."""
    X_train, _, y_train, _ = split("breast_cancer")

    def trees(count: int, depth: int) -> Estimator:
        return XGBClassifier(n_estimators=count, max_depth=depth, random_state=0).fit(X_train, y_train)

    growth = {
        "trees": [_planned(trees(count, 3), X_train, count) for count in TREES],
        "depth": [_planned(trees(20, depth), X_train, depth) for depth in DEPTHS],
        "features": [],
        "rows": [],
    }
    for count in FEATURES:
        rows, target = make_classification(1000, count, n_informative=count // 2, random_state=0)
        model = XGBClassifier(n_estimators=20, max_depth=3, random_state=0).fit(rows, target)
        growth["features"].append(_planned(model, rows, count))
    linear = ct.compile(LogisticRegression(max_iter=5000).fit(X_train, y_train), X_train)
    spec = linear.artifact.client_spec
    encoded = np.asarray(encode_rows(spec.features, X_train[: max(ROWS)]))
    for count in ROWS:
        with LocalSession(spec, linear._program()) as session:
            began = time.process_time()
            session.evaluate(encoded[:count])
            growth["rows"].append({"at": count, "cpu_seconds": time.process_time() - began})
    return growth
