"""Networks of one hidden layer and kernel machines: levelled beside bootstrapped, in one process, row by row in turns.

python tools/bench/one_layer.py [--rows 3] [--networks 40] [--splits 4] [--only TEXT] [--json FILE]

Says of each model: products, CPU of a row under either scheme (medians), bytes, whether every encrypted answer was the
circuit's own, and the share of test rows whose labels are the model's. Then how near random networks come to their own,
on their calibration data and on rows that they have not seen; and the RBF support vector machine's labels, of several
splits into training and test rows.
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
from cryptable.planner.levelled.one_layer.search import Found, Wish, find
from cryptable.planner.settings import Scheme
from cryptable_client import SecretKeys, decrypt, encrypt, write_evaluation_keys
from cryptable_engine import Evaluator, Rotation, interpret
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


def machine_of(split: int) -> tuple[Any, Any, Any]:
    """An RBF support vector machine of breast cancer, and its training and test rows."""
    rows, labels = load_breast_cancer(return_X_y=True)
    train, test, known, _ = train_test_split(rows, labels, test_size=0.3, random_state=split, stratify=labels)
    scaler = StandardScaler().fit(train)
    train, test = scaler.transform(train), scaler.transform(test)
    return SVC(gamma=0.02, C=3.0).fit(train, known), train, test


def splits(count: int) -> dict[str, Any]:
    """In the clear: share of test rows whose labels are the machine's own, over all splits and in each."""
    labels, errors, products = [], [], []
    for split in range(count):
        machine, train, test = machine_of(split)
        model = ct.compile(machine, train, show_progress=False)
        labels.append(float((model.predict(test) == machine.predict(test)).mean()))
        own = machine.decision_function(test)
        errors.append(float((model.decision_function(test) - own).std() / own.std()))
        products.append(model.circuit.products)
    return {
        "model": f"RBF SVC, breast cancer, {count} splits",
        "labels": round(float(np.mean(labels)), 4),
        "of each": [round(each, 4) for each in labels],
        "rms of deviation": [round(each, 4) for each in errors],
        "products": products,
    }


def models() -> Iterator[tuple[str, Any, Any, Any, bool]]:
    """Name, fitted estimator, training and test rows, and whether lookups evaluate it too."""
    rows, labels = load_breast_cancer(return_X_y=True)
    train, test, known, _ = train_test_split(rows, labels, test_size=0.3, random_state=0, stratify=labels)
    scaler = StandardScaler().fit(train)
    train, test = scaler.transform(train), scaler.transform(test)
    network = MLPClassifier((16,), alpha=0.01, max_iter=600, random_state=0).fit(train, known)
    yield "breast cancer 30-16-1, ReLU", network, train, test, True
    machine, train, test = machine_of(0)
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
    """Root mean square error, in deviations of the scores, of networks of all activations."""
    random = np.random.default_rng(0)
    known, new, positions = [], [], []
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
        found = find(hidden_layer(graph), names, rows, graph.scores(rows), Wish(0.02, P_ERROR))
        known.append(_rms(found, graph, rows))
        new.append(_rms(found, graph, np.random.default_rng(index).normal(size=(1000, features))))
        positions += [node.positions for node in found.circuit.nodes if isinstance(node, Rotation)]
    return {
        "networks": count,
        "median rms": round(float(np.median(known)), 4),
        "greatest rms": round(max(known), 4),
        "median rms of new rows": round(float(np.median(new)), 4),
        "greatest rms of new rows": round(max(new), 4),
        "above 0.05": f"{sum(each > 0.05 for each in known)} ({sum(each > 0.05 for each in new)} of new rows)",
        "positions": max(positions),
    }


def _rms(found: Found, graph: SegmentedNetwork, rows: Rows) -> float:
    """Of the circuit's clear scores."""
    (answer,) = found.circuit.nodes[-1:]
    values = interpret(found.circuit, encode_rows(found.digits.encoders, rows)) - answer.offset  # type: ignore[union-attr]
    own = graph.scores(rows)
    return float(np.sqrt(np.mean((values * found.unit + found.constant - own) ** 2)) / own.std())


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=3, help="encrypted, of each model")
    parser.add_argument("--networks", type=int, default=40, help="random ones, in the clear")
    parser.add_argument("--splits", type=int, default=4, help="of the support vector machine, in the clear")
    parser.add_argument("--only", default="", help="models whose name has this")
    parser.add_argument("--json", help="file for all figures")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    results: list[dict[str, Any]] = []
    for name, estimator, train, test, by_lookups in models():
        if given.only not in name:
            continue
        results.append(measure(name, estimator, train, test, by_lookups=by_lookups, rows=given.rows))
        print(results[-1], flush=True)
    if given.networks:
        results.append(random_networks(given.networks))
        print(results[-1], flush=True)
    if given.splits:
        results.append(splits(given.splits))
        print(results[-1], flush=True)
    if given.json:
        Path(given.json).write_text(json.dumps(results, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
