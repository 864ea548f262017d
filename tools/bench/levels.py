"""Probabilities and predictions in levels: how far off they are, and what they cost beside scores.

python tools/bench/levels.py                 all models
python tools/bench/levels.py --only Ridge

Data are scikit-learn's own, split with train_test_split(test_size=0.2, random_state=0). Errors are those on test rows,
against the model's own predict_proba or predict, in widths of a level: half of one is what levels themselves round.
Seconds are CPU of a row on one core, as `explain` predicts them by the rates of this machine.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable
from typing import Any, TypeAlias

import cryptable as ct
import numpy as np
from lightgbm import LGBMRegressor
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, PoissonRegressor, Ridge
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from xgboost import XGBClassifier, XGBRegressor

Estimator: TypeAlias = Any
LEVELS = (8, 32, 64)


def _scaled(estimator: Estimator) -> Estimator:
    return make_pipeline(StandardScaler(), estimator)


CLASSIFIERS: dict[str, Callable[[], Estimator]] = {
    "XGBClassifier 20x3": lambda: XGBClassifier(n_estimators=20, max_depth=3, random_state=0),
    "XGBClassifier 100x3": lambda: XGBClassifier(n_estimators=100, max_depth=3, random_state=0),
    "RandomForestClassifier 50x5": lambda: RandomForestClassifier(50, max_depth=5, random_state=0),
    "LogisticRegression, scaled": lambda: _scaled(LogisticRegression()),
}
REGRESSORS: dict[str, Callable[[], Estimator]] = {
    "GradientBoostingRegressor 50x3": lambda: GradientBoostingRegressor(n_estimators=50, random_state=0),
    "XGBRegressor 50x3, count:poisson": lambda: XGBRegressor(
        n_estimators=50, max_depth=3, objective="count:poisson", random_state=0
    ),
    "LGBMRegressor 50, 7 leaves, gamma": lambda: LGBMRegressor(
        n_estimators=50, num_leaves=7, objective="gamma", verbose=-1
    ),
    "Ridge": Ridge,
    "PoissonRegressor": PoissonRegressor,
}


def measure(make: Callable[[], Estimator], *, is_classifier: bool, levels: int | None) -> tuple[str, ...]:
    """Products, seconds, kB up and down, errors and labels; without levels, of scores."""
    rows, target = (load_breast_cancer if is_classifier else load_diabetes)(return_X_y=True)
    training, test, known, _ = train_test_split(rows, target, test_size=0.2, random_state=0)
    estimator = make().fit(training, known)
    options: dict[str, Any] = {"show_progress": False}
    if levels is not None:
        options |= {"answer": "probability" if is_classifier else "prediction", "levels": levels}
    model = ct.compile(estimator, training, **options)
    facts = model.explain()
    bill = (
        str(model.circuit.products),
        f"{facts.cpu_seconds_predicted:.3f}",
        f"{facts.bytes.input_row / 1000:.1f}, {facts.bytes.output_row / 1000:.1f}",
    )
    if levels is None:
        return (*bill, "", "", "", "")
    told = model.predict_proba(test)[:, 1] if is_classifier else model.predict(test)
    own = estimator.predict_proba(test)[:, 1] if is_classifier else estimator.predict(test)
    width = 2 * model.artifact.client_spec.decoder.step
    inside = (own >= told.min() - width / 2) & (own <= told.max() + width / 2)
    off = np.abs(told - own) / width
    labels = f"{np.mean(model.predict(test) == estimator.predict(test)):.3f}" if is_classifier else ""
    return (*bill, f"{off.mean():.2f}", f"{off[inside].max():.2f}", f"{np.mean(off <= 0.5 + 1e-6):.3f}", labels)


def main() -> int:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="models whose names contain this")
    arguments = parser.parse_args()
    table = Table(title="Predictions in levels")
    for heading in ("model", "levels", "products", "s a row", "kB up, down", "mean", "greatest", "own level", "labels"):
        table.add_column(heading)
    warnings.simplefilter("ignore", ct.AgreementWarning)
    for cases, is_classifier in ((CLASSIFIERS, True), (REGRESSORS, False)):
        for name, make in cases.items():
            if arguments.only not in name:
                continue
            for levels in (None, *LEVELS):
                found = measure(make, is_classifier=is_classifier, levels=levels)
                table.add_row(name, "scores" if levels is None else str(levels), *found)
    Console(width=140).print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
