"""Networks of one hidden layer and kernel machines: levelled beside bootstrapped, in one process, row by row in turns.

python tools/bench/one_layer.py [--rows 3] [--networks 40] [--json FILE]

Says of each model: products, CPU of a row under either scheme (medians), bytes, whether every encrypted answer was the
circuit's own, and the share of test rows whose labels are the model's. Then how near random networks come to their own.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

os.environ.setdefault("OMP_NUM_THREADS", "1")

import cryptable as ct
import numpy as np
from cryptable.graphs.network import Layer, SegmentedNetwork
from cryptable.planner.levelled.one_layer.hidden_layer import hidden_layer
from cryptable.planner.levelled.one_layer.search import Wish, find
from cryptable.planner.settings import Scheme
from cryptable_client import SecretKeys, decrypt, encrypt, write_evaluation_keys
from cryptable_engine import Evaluator, interpret
from cryptable_protocol import ClientSpec, EncryptedTensor, Link, encode_rows
from cryptable_protocol.schemes.ring_tensor import RingTensor
from scipy.sparse import csr_array  # type: ignore[import-untyped]
from scipy.special import erf, expit  # type: ignore[import-untyped]
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

P_ERROR = 2.0**-128
Estimator: TypeAlias = Any
Rows: TypeAlias = Any
Answer: TypeAlias = Any
ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "relu": lambda z: np.maximum(z, 0),
    "leaky relu": lambda z: np.where(z > 0, z, 0.1 * z),
    "elu": lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
    "gelu": lambda z: z * (1 + erf(z / np.sqrt(2))) / 2,
    "silu": lambda z: z * expit(z),
    "softplus": lambda z: np.logaddexp(0, z),
    "tanh": np.tanh,
    "sigmoid": expit,
    "hardtanh": lambda z: np.clip(z, -1, 1),
    "hardsigmoid": lambda z: np.clip(z / 6 + 0.5, 0, 1),
    "gauss": lambda z: np.exp(-(z**2)),
    "softsign": lambda z: z / (1 + np.abs(z)),
}


def models() -> Iterator[tuple[str, Any, Any, Any, bool]]:
    """Name, fitted estimator, training and test rows, and whether lookups evaluate it too."""
    rows, labels = load_breast_cancer(return_X_y=True)
    train, test, known, _ = train_test_split(rows, labels, test_size=0.3, random_state=0, stratify=labels)
    scaler = StandardScaler().fit(train)
    train, test = scaler.transform(train), scaler.transform(test)
    network = MLPClassifier((16,), alpha=0.01, max_iter=600, random_state=0).fit(train, known)
    yield "breast cancer 30-16-1, ReLU", network, train, test, True
    machine = SVC(gamma=0.02, C=3.0).fit(train, known)
    yield f"RBF SVC, breast cancer, {len(machine.support_)} vectors", machine, train, test, False
    rows, labels = load_digits(return_X_y=True)
    train, test, known, _ = train_test_split(rows / 16, labels, test_size=0.2, random_state=0, stratify=labels)
    network = MLPClassifier((32,), alpha=0.1, max_iter=400, random_state=0).fit(train, known)
    yield "digits 64-32-10, ReLU", network, train, test, True


class Client:
    """Keys, and an evaluator that has them ready."""

    def __init__(self, model: ct.CompiledModel) -> None:
        self._spec = model.artifact.client_spec
        self._evaluator = Evaluator(model._program())
        self._secret = SecretKeys.generate(self._spec)
        self._keys = self._evaluator.load_keys(self._written())

    def _written(self) -> bytes:
        file = io.BytesIO()
        write_evaluation_keys(self._secret, file)
        return file.getvalue()

    def answer(self, bits: Rows) -> tuple[Any, float]:
        """Decrypted integers of an encoded row, and the server's CPU seconds."""
        row = encrypt(self._spec, self._secret, bits).to_bytes()
        start = time.process_time()
        answer = self._evaluator.evaluate_row(row, self._keys)
        seconds = time.process_time() - start
        return decrypt(self._spec, self._secret, _parsed(self._spec, answer)), seconds


def _parsed(spec: ClientSpec, answer: bytes) -> Answer:
    return RingTensor.from_bytes(answer) if spec.scheme == "levelled" else EncryptedTensor.from_bytes(answer)


def measure(name: str, estimator: Estimator, train: Rows, test: Rows, *, by_lookups: bool, rows: int) -> dict[str, Any]:
    """One model, under one scheme or both in turns."""
    schemes: tuple[Scheme, ...] = ("levelled", "bootstrapped") if by_lookups else ("levelled",)
    compiled = {scheme: ct.compile(estimator, train, scheme=scheme, show_progress=False) for scheme in schemes}
    clients = {scheme: Client(model) for scheme, model in compiled.items()}
    encoded = {s: encode_rows(m.artifact.client_spec.features, test[:rows]) for s, m in compiled.items()}
    seconds: dict[str, list[float]] = {scheme: [] for scheme in schemes}
    exact = 0
    for index in range(rows):
        for scheme, client in clients.items():
            answer, taken = client.answer(encoded[scheme][index])
            seconds[scheme].append(taken)
            if scheme == "levelled":
                exact += bool((answer == interpret(compiled[scheme].circuit, encoded[scheme][index : index + 1])).all())
    model = compiled["levelled"]
    facts = model.explain().to_dict()
    own = np.asarray(estimator.decision_function(test) if hasattr(estimator, "decision_function") else 0.0)
    found = {
        "model": name,
        "products": model.circuit.products,
        "levelled ms": round(1000 * statistics.median(seconds["levelled"]), 1),
        "bootstrapped ms": round(1000 * statistics.median(seconds["bootstrapped"]), 1) if by_lookups else None,
        "exact": f"{exact} of {rows}",
        "labels": round(float((model.predict(test) == estimator.predict(test)).mean()), 4),
        "row bytes": facts["bytes"]["input_row"],
        "log2 failure": round(facts["levelled"]["log2_failure"], 1),
    }
    if own.size > 1:
        error = model.decision_function(test) - own
        found["rms of deviation"] = round(float(error.std() / own.std()), 4)
    return found


def random_networks(count: int) -> dict[str, Any]:
    """Root mean square error on calibration data, in deviations of the scores, of networks of all activations."""
    random = np.random.default_rng(0)
    found = []
    for index in range(count):
        name = list(ACTIVATIONS)[index % len(ACTIVATIONS)]
        features, neurons = int(random.integers(2, 13)), int(random.integers(2, 17))
        layer = Layer(
            name, csr_array(random.normal(size=(neurons, features))), random.normal(size=neurons), ACTIVATIONS[name]
        )
        last = np.concatenate([np.zeros((1, features)), random.normal(size=(1, neurons))], axis=1)
        names = tuple(f"x{each}" for each in range(features))
        graph = SegmentedNetwork(names, (layer,), csr_array(last), np.zeros(1), Link.IDENTITY, None)
        rows = random.normal(size=(300, features))
        found.append(find(hidden_layer(graph), names, rows, graph.scores(rows), Wish(0.02, P_ERROR)).rms)
    return {"networks": count, "median rms": float(np.median(found)), "greatest rms": float(np.max(found))}


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=3, help="encrypted, of each model")
    parser.add_argument("--networks", type=int, default=40, help="random ones, in the clear")
    parser.add_argument("--json", help="file for all figures")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    results: list[dict[str, Any]] = []
    for name, estimator, train, test, by_lookups in models():
        results.append(measure(name, estimator, train, test, by_lookups=by_lookups, rows=given.rows))
        print(results[-1], flush=True)
    if given.networks:
        results.append(random_networks(given.networks))
        print(results[-1], flush=True)
    if given.json:
        Path(given.json).write_text(json.dumps(results, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
