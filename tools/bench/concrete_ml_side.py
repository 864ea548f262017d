"""One side of against_concrete_ml.py, in an environment of its own: trains a case, then evaluates rows on request.

Reads one JSON request a line and answers with one JSON line; the last words of the side's own come on standard error.

    {"do": "prepare", "case": NAME, "side": "concrete-ml" | "cryptable"}   -> {"float_score", "score", "lookups"}; ours
                                                                              has "scheme" and "products" as well
    {"do": "row", "index": I}                                              -> {"cpu_seconds", "wall_seconds"}
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

CASES: dict[str, tuple[str, dict[str, int], str]] = {
    "XGBoost 20x3, breast cancer": ("XGBClassifier", {"n_estimators": 20, "max_depth": 3}, "breast_cancer"),
    "XGBoost 100x3, breast cancer": ("XGBClassifier", {"n_estimators": 100, "max_depth": 3}, "breast_cancer"),
    "XGBoost 10x3, digits": ("XGBClassifier", {"n_estimators": 10, "max_depth": 3}, "digits"),
    "XGBoost 20x3, diabetes": ("XGBRegressor", {"n_estimators": 20, "max_depth": 3}, "diabetes"),
    "random forest 10x4, breast cancer": (
        "RandomForestClassifier",
        {"n_estimators": 10, "max_depth": 4},
        "breast_cancer",
    ),
    "random forest 50x5, synthetic": ("RandomForestClassifier", {"n_estimators": 50, "max_depth": 5}, "synthetic"),
    "network 64-32-10 quantized after training, digits": ("mlp after", {}, "digits"),
    "network 64-32-10 trained with Brevitas, digits": ("mlp trained", {}, "digits"),
    "network with each side's defaults, digits": ("mlp estimator", {}, "digits"),
    "network with each side's defaults, breast cancer": ("mlp estimator", {}, "breast_cancer"),
    "convolutional network quantized after training, digits": ("cnn after", {}, "digits"),
}
"""Estimator, its arguments, data; all else is default, and random_state 0. Networks: see network_sides.py."""

NETWORKS = ("mlp after", "mlp trained", "mlp estimator", "cnn after")


def load(name: str) -> tuple[Any, Any, Any, Any]:
    """Training rows, test rows, training targets, test targets."""
    from sklearn import datasets
    from sklearn.model_selection import train_test_split

    if name == "synthetic":
        rows, target = datasets.make_classification(2000, 30, n_informative=10, random_state=0)
    else:
        rows, target = getattr(datasets, f"load_{name}")(return_X_y=True)
    return tuple(train_test_split(rows, target, test_size=0.2, random_state=0))


def prepare_concrete_ml(
    kind: str, arguments: dict[str, int], data: str
) -> tuple[dict[str, Any], Callable[[int], object]]:
    """Concrete ML, with its defaults."""
    if kind in NETWORKS:
        from network_sides import prepare_concrete_ml_estimator, prepare_concrete_ml_network

        network, how = kind.split()
        given = load(data)
        return (
            prepare_concrete_ml_estimator(given)
            if how == "estimator"
            else prepare_concrete_ml_network(network, how, given)
        )
    from concrete.ml import sklearn as models

    train_rows, test_rows, train_target, test_target = load(data)
    model, reference = getattr(models, kind)(**arguments, random_state=0).fit_benchmark(train_rows, train_target)
    model.compile(train_rows)
    model.fhe_circuit.keygen()
    facts = {
        "float_score": float(reference.score(test_rows, test_target)),
        "score": float(model.score(test_rows, test_target)),
    }
    facts["lookups"] = int(model.fhe_circuit.programmable_bootstrap_count)
    return facts, lambda index: model.predict(test_rows[index : index + 1], fhe="execute")


def prepare_cryptable(
    kind: str, arguments: dict[str, int], data: str
) -> tuple[dict[str, Any], Callable[[int], object]]:
    """Ours, with its defaults, by the cheapest scheme that is able."""
    if kind in NETWORKS:
        from network_sides import prepare_cryptable_network

        network, how = kind.split()
        return prepare_cryptable_network(network, how, load(data))
    import cryptable
    from sklearn.metrics import accuracy_score, r2_score

    library = importlib.import_module("xgboost" if kind.startswith("XGB") else "sklearn.ensemble")
    train_rows, test_rows, train_target, test_target = load(data)
    estimator = getattr(library, kind)(**arguments, random_state=0).fit(train_rows, train_target)
    model = cryptable.compile(estimator, train_rows, scheme="auto")
    metric = r2_score if kind.endswith("Regressor") else accuracy_score
    facts = {
        "float_score": float(metric(test_target, estimator.predict(test_rows))),
        "score": float(metric(test_target, model.predict(test_rows))),
        "lookups": int(model.circuit.lookups),
        "scheme": model.artifact.client_spec.scheme,
        "products": int(model.circuit.products),
    }
    return facts, lambda index: model.predict(test_rows[index : index + 1], mode="encrypted")


def cpu_seconds() -> float:
    """Of this process, to the microsecond, and of its children that have ended, to ten milliseconds."""
    return time.process_time() + sum(os.times()[2:4])


def main() -> None:
    """Answer until standard input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print must not come between the answers
    evaluate: Callable[[int], object] | None = None
    for line in sys.stdin:
        request = json.loads(line)
        if request["do"] == "prepare":
            make = prepare_concrete_ml if request["side"] == "concrete-ml" else prepare_cryptable
            answer, evaluate = make(*CASES[request["case"]])
            evaluate(0)  # the first evaluation unpacks the keys
        elif evaluate is not None:
            wall, cpu = time.perf_counter(), cpu_seconds()
            evaluate(request["index"])
            answer = {"cpu_seconds": cpu_seconds() - cpu, "wall_seconds": time.perf_counter() - wall}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
