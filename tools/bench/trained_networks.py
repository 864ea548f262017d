"""What networks cost that were trained for encryption (cryptable.neural): accuracy, lookups, CPU seconds, keys.

python tools/bench/trained_networks.py [--rows 5] [--only TEXT]

Data are scikit-learn's own, split with train_test_split(test_size=0.2, random_state=0); estimators have random_state=0
and their defaults. Exit status 1 where a bar of the issue "Neural networks" is missed, or where the circuit's scores on
the test set are not the module's own.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cryptable as ct
import numpy as np
import torch
from cryptable.neural import QuantConvNetClassifier, QuantNeuralNetClassifier
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.model_selection import train_test_split


@dataclass(frozen=True)
class Case:
    """One network, and its bars."""

    name: str
    make: Callable[[], Any]
    data: Callable[..., Any]
    accuracy: float
    cpu_seconds: float
    lookups: int | None = None
    key_bytes: float | None = None


CASES = (
    Case(
        "digits, 64-32-10",
        lambda: QuantNeuralNetClassifier(random_state=0),
        load_digits,
        0.965,
        1.5,
        lookups=40,
        key_bytes=60e6,
    ),
    Case("breast cancer, 30-32-1", lambda: QuantNeuralNetClassifier(random_state=0), load_breast_cancer, 0.95, 2.0),
    Case("digits, conv 3x3x8, pool, linear", lambda: QuantConvNetClassifier(random_state=0), load_digits, 0.96, 12.0),
)


def measure(case: Case, rows: int) -> dict[str, Any]:
    """Train, compile, evaluate under encryption."""
    X, y = case.data(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=0)
    began = time.process_time()
    estimator = case.make().fit(X_train, y_train)
    training = time.process_time() - began
    model = ct.compile(estimator, X_train)
    own = estimator.decision_function(X_test)
    report = model.check(X_test, y_test, encrypted_rows=rows)
    facts = model.explain().to_dict()
    return {
        "training": training,
        "lookups": facts["lookups"],
        "bits": facts["table_bits"],
        "price": facts["price"],
        "keys": facts["bytes"]["evaluation_keys"],
        "module": estimator.score(X_test, y_test),
        "clear": report["clear"].score,
        "simulated": report["simulate"].score,
        "cpu_seconds": report.cpu_seconds,
        "encrypted": report["encrypted"].score,
        "encrypted_agrees": report["encrypted"].agreement,
        "whole": rows >= len(X_test),
        "off": float(np.abs(model.decision_function(X_test) - own).max() / np.abs(own).max()),
    }


def missed(case: Case, found: dict[str, Any]) -> list[str]:
    """The bars that a case does not reach."""
    bars = {
        "accuracy": min(found["clear"], found["simulated"]) >= case.accuracy,
        "accuracy under encryption": not found["whole"] or found["encrypted"] >= case.accuracy,
        "CPU seconds": found["cpu_seconds"] is None or found["cpu_seconds"] <= case.cpu_seconds,
        "lookups": case.lookups is None or found["lookups"] <= case.lookups,
        "evaluation keys": case.key_bytes is None or found["keys"] <= case.key_bytes,
        "the module's integers": found["off"] < 1e-5,
    }
    return [name for name, met in bars.items() if not met]


def main() -> int:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--rows", type=int, default=5, help="encrypted rows of each case (default: %(default)s); all from 360 on"
    )
    parser.add_argument("--only", default="", metavar="TEXT", help="cases whose name holds TEXT")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    headings = ["network", "lookups", "price", "keys", "CPU s a row", "module", "clear", "simulated", "encrypted"]
    headings += ["training", "missed"]
    print("| " + " | ".join(headings) + " |")
    print("|---" * len(headings) + "|")
    all_met = True
    for case in CASES:
        if arguments.only not in case.name:
            continue
        found = measure(case, arguments.rows)
        misses = missed(case, found)
        all_met &= not misses
        seconds = "" if found["cpu_seconds"] is None else f"{found['cpu_seconds']:.2f}"
        print(
            f"| {case.name} | {found['lookups']} of {found['bits']} bits | {found['price']:.3g} "
            f"| {found['keys'] / 1e6:.1f} MB | {seconds} | {found['module']:.4f} | {found['clear']:.4f} "
            f"| {found['simulated']:.4f} | {found['encrypted']:.4f}, {found['encrypted_agrees']:.1%} as the module "
            f"| {found['training']:.1f} s | {', '.join(misses) or 'nothing'} |",
            flush=True,
        )
    return 0 if all_met else 1


if __name__ == "__main__":
    raise SystemExit(main())
