"""One side of one_layer_beside.py, in a process of its own: compiles a network, evaluates encrypted rows on request.

It runs in the environment of any commit since fbb8020, so it takes from the packages only what all of these have. Reads
one JSON request a line, and answers each with a JSON line.

    {"do": "prepare", "case": NAME, "module": whether as a torch.nn.Module, "options": {...}}
                                                       -> labels as the network's own, bytes, what a row takes
    {"do": "row", "index": I}                          -> {"server", "all": CPU seconds, "as_clear"}
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import cryptable as ct
import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler


def network_of(case: str) -> tuple[Any, Any, Any]:
    """A fitted network, and its training and test rows: those of one_layer.py."""
    if case == "breast cancer 30-16-1":
        rows, labels = load_breast_cancer(return_X_y=True)
        train, test, known, _ = train_test_split(rows, labels, test_size=0.3, random_state=0, stratify=labels)
        scaler = StandardScaler().fit(train)
        train, test = scaler.transform(train), scaler.transform(test)
        return MLPClassifier((16,), alpha=0.01, max_iter=600, random_state=0).fit(train, known), train, test
    rows, labels = load_digits(return_X_y=True)
    train, test, known, _ = train_test_split(rows / 16, labels, test_size=0.2, random_state=0, stratify=labels)
    return MLPClassifier((32,), alpha=0.1, max_iter=400, random_state=0).fit(train, known), train, test


def as_module(network: Any) -> Any:  # noqa: ANN401
    """The same network of torch: fbb8020 takes none of scikit-learn's."""
    import torch
    from torch import nn

    torch.set_num_threads(1)
    first, last = (nn.Linear(*weights.shape) for weights in network.coefs_)
    with torch.no_grad():
        for layer, weights, offset in zip((first, last), network.coefs_, network.intercepts_, strict=True):
            layer.weight.copy_(torch.tensor(weights.T))
            layer.bias.copy_(torch.tensor(offset))
    parts = [first, nn.ReLU(), last]
    return nn.Sequential(*parts, *([] if len(network.classes_) > 2 else [nn.Sigmoid()])).eval()


class Side:
    """A compiled network, keys, and an evaluator that has them ready."""

    def __init__(self, case: str, options: dict[str, Any], *, is_module: bool) -> None:
        network, train, self._test = network_of(case)
        given: Any = network
        if is_module:
            given, train, self._test = as_module(network), train.astype(np.float32), self._test.astype(np.float32)
            options = {**options, "labels": network.classes_.tolist()}
        self._model = ct.compile(given, train, show_progress=False, **options)
        own = network.predict(self._test)
        self._labels = float((self._model.predict(self._test) == own).mean())
        self._model.decision_function(self._test[:1], mode="encrypted")  # makes keys, and unpacks them
        self._session: Any = self._model._session

    def facts(self) -> dict[str, Any]:
        """What is known before rows are timed."""
        lookups, measured = int(self._model.circuit.lookups), self._session.measured
        return {
            "labels": self._labels,
            "test_rows": len(self._test),
            "takes": f"{lookups} lookups" if lookups else f"{self._model.circuit.products} products",
            "up": measured.input_row_bytes,
            "down": measured.output_row_bytes,
            "p_error": self._model.artifact.client_spec.p_error,
        }

    def row(self, index: int) -> dict[str, Any]:
        """Of a test row: CPU seconds of evaluation, and with the client's; whether scores are the clear ones."""
        row = self._test[index : index + 1]
        began = time.process_time()
        scores = self._model.decision_function(row, mode="encrypted")
        taken = time.process_time() - began
        same = np.array_equal(scores, self._model.decision_function(row))
        return {"server": self._session.measured.evaluation_cpu_seconds[-1], "all": taken, "as_clear": same}


def main() -> None:
    """Answer until standard input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print must not come between the answers
    warnings.simplefilter("ignore")
    side: Side | None = None
    for line in sys.stdin:
        request = json.loads(line)
        if request["do"] == "prepare":
            side = Side(request["case"], request["options"], is_module=request["module"])
            answer = side.facts()
        elif side is not None:
            answer = side.row(request["index"])
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
