"""What nearest neighbours cost on iris: lookups, price, CPU seconds a row, and how often votes differ.

    python tools/bench/nearest_neighbors.py [--rows 30 120] [--neighbors 5] [--bits 4] [--encrypted 3]

`simulate` is with the noise that ciphertexts have. Concrete ML 1.9 compiles neither 120 rows nor 30
(NoParametersFound) and takes 9 s of CPU for 10.
"""

from __future__ import annotations

import argparse

import cryptable as ct
import numpy as np
from sklearn.datasets import load_iris
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="*", default=[30, 120], help="training rows (default: %(default)s)")
    parser.add_argument("--neighbors", type=int, default=5, help="default: %(default)s")
    parser.add_argument("--bits", type=int, default=4, help="of a comparison (default: %(default)s)")
    parser.add_argument("--encrypted", type=int, default=0, help="rows to evaluate under encryption (default: none)")
    arguments = parser.parse_args()
    X, y = load_iris(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=0)
    noise = np.random.default_rng(1).normal(size=(2, *X.shape)) * 0.2 * X.std(axis=0)
    near = (X + noise).reshape(-1, X.shape[1])
    print("| rows | k | lookups | price | CPU s predicted | measured | score: float | clear | votes: clear | noisy |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for count in arguments.rows:
        estimator = KNeighborsClassifier(arguments.neighbors).fit(X_train[:count], y_train[:count])
        model = ct.compile(estimator, X_train, table_bits=arguments.bits)
        told = model.explain()
        report = model.check(X_test, y_test, encrypted_rows=arguments.encrypted)
        clear = model.predict_proba(near)
        equal = [
            float(np.isclose(votes, reference).all(axis=1).mean())
            for votes, reference in (
                (clear, estimator.predict_proba(near)),
                (model.predict_proba(near, mode="simulate"), clear),
            )
        ]
        measured = "" if report.cpu_seconds is None else f"{report.cpu_seconds:.2f}"
        print(
            f"| {count} | {arguments.neighbors} | {told.lookups} | {told.price:.3g} "
            f"| {told.cpu_seconds_predicted:.2f} | {measured} | {report['float'].score:.3f} "
            f"| {report['clear'].score:.3f} | {equal[0]:.3f} | {equal[1]:.3f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
