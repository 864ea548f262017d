"""Networks of squares that learn fitted models' scores, on digits: how their labels agree, and how many are right.

python tools/bench/distilling.py [--epochs 30]

Beside a network 64-32-10 of squares that was trained on the labels as usual. Rows that nobody was trained on.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from typing import Any

import numpy as np
from cryptable.neural import QuantNeuralNetClassifier
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC

SQUARES: dict[str, Any] = {
    "activation": "square",
    "input_bits": 3,
    "weight_bits": 3,
    "output_weight_bits": 4,
    "random_state": 0,
}


def main() -> int:
    """Train all, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=30)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    X, y = load_digits(return_X_y=True)
    training, test, labels, expected = train_test_split(X, y, test_size=0.2, random_state=0)
    usual = QuantNeuralNetClassifier((32,), **SQUARES, max_epochs=arguments.epochs).fit(training, labels)
    print("| teacher | right | network by | as the teacher's | right |")
    print("|---|---|---|---|---|")
    for teacher in (MLPClassifier((64,), max_iter=200, random_state=0), SVC()):
        told = teacher.fit(training, labels).predict(test)
        network = QuantNeuralNetClassifier((32,), **SQUARES, max_epochs=arguments.epochs)
        networks = {"labels": usual, "the teacher's scores": network.distill(teacher, training)}
        for name, network in networks.items():
            found = network.predict(test)
            shares = (told == expected, found == told, found == expected)
            right, agree, own = (f"{np.mean(each):.3f}" for each in shares)
            print(f"| {type(teacher).__name__} | {right} | {name} | {agree} | {own} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
