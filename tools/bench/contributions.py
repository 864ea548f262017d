"""Contributions of three models: on all test rows beside what the libraries say, 20 rows under encryption, and prices.

An explainable boosting machine beside interpret's `explain_local`, a logistic regression beside coefficient times
value, and 20 trees of XGBoost beside its own path attribution. One line a model; exit status 1 where a difference is
above the stated bound, or an encrypted answer is not the clear one.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import cryptable as ct
import numpy as np
import numpy.typing as npt
from interpret.glassbox import ExplainableBoostingClassifier
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from xgboost import DMatrix, XGBClassifier

ENCRYPTED_ROWS = 20
SLACK = 1e-6
"""What float32 sums of the libraries may add to a difference."""
Array = npt.NDArray[np.float64]


def of_terms(model: Any, rows: Array, names: tuple[str, ...]) -> Array:  # noqa: ANN401
    """What `explain_local` says."""
    local = model.explain_local(rows)
    if len(names) != len(model.term_names_):
        raise ValueError(f"{len(names)} contributions, interpret has {len(model.term_names_)}")
    return np.array([local.data(index)["scores"] for index in range(len(rows))])


def of_coefficients(model: Any, rows: Array, names: tuple[str, ...]) -> Array:  # noqa: ANN401
    """Coefficient times value."""
    columns = [int(name[1:]) for name in names]
    found: Array = (model.coef_[0] * rows)[:, columns]
    return found


def of_paths(model: Any, rows: Array, names: tuple[str, ...]) -> Array:  # noqa: ANN401
    """XGBoost's own."""
    theirs = model.get_booster().predict(DMatrix(rows), pred_contribs=True, approx_contribs=True)
    found: Array = theirs[:, [int(name[1:]) for name in names]].astype(np.float64)
    return found


def main() -> int:
    """Measure."""
    X, y = load_breast_cancer(return_X_y=True)
    X_train, X_test, y_train, _ = train_test_split(X, y, test_size=0.3, random_state=0)
    scaled = X_train.max(axis=0)
    cases: list[tuple[str, Any, Array, Array, Callable[[Any, Array, tuple[str, ...]], Array]]] = [
        (
            "XGBClassifier(n_estimators=20, max_depth=3)",
            XGBClassifier(n_estimators=20, max_depth=3, random_state=0).fit(X_train, y_train),
            X_train,
            X_test,
            of_paths,
        ),
        (
            "LogisticRegression()",
            LogisticRegression(max_iter=1000).fit(X_train / scaled, y_train),
            X_train / scaled,
            X_test / scaled,
            of_coefficients,
        ),
        (
            "ExplainableBoostingClassifier(interactions=4, max_interaction_bins=4)",
            ExplainableBoostingClassifier(interactions=4, max_interaction_bins=4, n_jobs=1, random_state=0).fit(
                X_train[:, :10], y_train
            ),
            X_train[:, :10],
            X_test[:, :10],
            of_terms,
        ),
    ]
    failed = False
    for name, estimator, calibration, rows, theirs in cases:
        alone = ct.compile(estimator, calibration, hide_weights=False, show_progress=False).explain()
        model = ct.compile(estimator, calibration, explain="contributions", show_progress=False)
        told, bill = model.contributions(rows), model.explain()
        difference = float(np.abs(told - theirs(estimator, rows, model.contribution_names)).max())
        sums = float(np.abs(told.sum(axis=1) + model.base_values[0] - model.decision_function(rows)).max())
        began = time.process_time()
        encrypted = model.contributions(rows[:ENCRYPTED_ROWS], mode="encrypted")
        seconds = (time.process_time() - began) / ENCRYPTED_ROWS
        exact = bool(np.array_equal(encrypted, told[:ENCRYPTED_ROWS]))
        bound = model.contribution_error_bound or 0.0
        failed |= not exact or difference > bound + SLACK
        print(
            f"{name}: {len(rows)} rows, {told.shape[1]} contributions, off by {difference:.3g} at most (bound "
            f"{bound:.3g}), sums off by {sums:.1g}; {ENCRYPTED_ROWS} encrypted rows "
            f"{'equal' if exact else 'DIFFER'}, {seconds:.3f} s of CPU each, keys included; "
            f"CPU predicted {bill.cpu_seconds_predicted:.4f} s, of scores alone "
            f"{alone.cpu_seconds_predicted:.4f} s; a row up {bill.bytes.input_row} B ({alone.bytes.input_row}), down "
            f"{bill.bytes.output_row} B ({alone.bytes.output_row})",
            flush=True,
        )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
