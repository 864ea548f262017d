"""Our models: lookups, CPU of a row really evaluated, scores, bytes. One fitted estimator after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import cryptable as ct
from catboost import CatBoostRegressor  # type: ignore[import-untyped]
from interpret.glassbox import ExplainableBoostingClassifier
from lightgbm import LGBMClassifier
from sklearn import datasets
from sklearn.base import is_classifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import train_test_split
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier, XGBRegressor

from .peer import RECORDED

Estimator: TypeAlias = Any
Split: TypeAlias = Any


_LOOKED_UP_ROWS = 2


@dataclass(frozen=True)
class Case:
    """A model and its data, which is scikit-learn's own."""

    name: str
    make: Callable[[], Estimator]
    data: str


def _boosted(trees: int, depth: int, kind: Estimator = XGBClassifier) -> Callable[[], Estimator]:
    return lambda: kind(n_estimators=trees, max_depth=depth, random_state=0)


def _forest(trees: int, depth: int) -> Callable[[], Estimator]:
    return lambda: RandomForestClassifier(n_estimators=trees, max_depth=depth, random_state=0)


CASES = (
    Case(
        "logistic regression, breast cancer",
        lambda: make_pipeline(StandardScaler(), LogisticRegression()),
        "breast_cancer",
    ),
    Case("linear regression, diabetes", LinearRegression, "diabetes"),
    Case("LinearSVC, digits", lambda: make_pipeline(StandardScaler(), LinearSVC(random_state=0)), "digits"),
    Case("GaussianNB, breast cancer", GaussianNB, "breast_cancer"),
    Case(
        "explainable boosting without pairs, breast cancer",
        lambda: ExplainableBoostingClassifier(interactions=0, outer_bags=2, random_state=0, n_jobs=1),
        "breast_cancer",
    ),
    Case(
        "decision tree, depth 5, breast cancer",
        lambda: DecisionTreeClassifier(max_depth=5, random_state=0),
        "breast_cancer",
    ),
    Case(
        "CatBoost 40x4, diabetes",
        lambda: CatBoostRegressor(
            iterations=40, depth=4, random_seed=0, verbose=False, thread_count=1, allow_writing_files=False
        ),
        "diabetes",
    ),
    Case(
        "LightGBM 50, 8 leaves, breast cancer",
        lambda: LGBMClassifier(n_estimators=50, num_leaves=8, random_state=0, n_jobs=1, verbose=-1),
        "breast_cancer",
    ),
    Case("random forest 10x4, breast cancer", _forest(10, 4), "breast_cancer"),
    Case("XGBoost 20x3, breast cancer", _boosted(20, 3), "breast_cancer"),
    Case("XGBoost 100x3, breast cancer", _boosted(100, 3), "breast_cancer"),
    Case("XGBoost 20x3, diabetes", _boosted(20, 3, XGBRegressor), "diabetes"),
    Case("XGBoost 10x3, digits", _boosted(10, 3), "digits"),
    Case("random forest 50x5, synthetic", _forest(50, 5), "synthetic"),
)


def split(name: str) -> Split:
    """Training rows, test rows, training targets, test targets."""
    if name == "synthetic":
        rows, target = datasets.make_classification(2000, 30, n_informative=10, random_state=0)
    else:
        rows, target = getattr(datasets, f"load_{name}")(return_X_y=True)
    return train_test_split(rows, target, test_size=0.2, random_state=0)


def measure_models(encrypted_rows: int, names: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
    """The facts of each case, or of those named, Concrete ML's recorded ones beside them."""
    for case in CASES:
        if names and case.name not in names:
            continue
        X_train, X_test, y_train, y_test = split(case.data)
        estimator = case.make().fit(X_train, y_train)
        began = time.process_time()
        model = ct.compile(estimator, X_train, show_progress=False)
        compiled = time.process_time() - began
        facts = model.explain().to_dict()
        report = model.check(X_test[:encrypted_rows], encrypted_rows=encrypted_rows)
        looked_up = _bootstrapped(estimator, X_train, X_test) if facts["scheme"] == "levelled" else None
        metric = accuracy_score if is_classifier(estimator) else r2_score
        peer = RECORDED.get(case.name)
        yield {
            "case": case.name,
            "scheme": facts["scheme"],
            "products": (facts["levelled"] or {}).get("products", 0),
            "lookups": facts["lookups"],
            "table_bits": facts["table_bits"],
            "bootstrapped": looked_up,
            "cpu_seconds": report.cpu_seconds,
            "cpu_seconds_predicted": facts["cpu_seconds_predicted"],
            "compile_cpu_seconds": compiled,
            "float_score": float(metric(y_test, estimator.predict(X_test))),
            "score": float(metric(y_test, model.predict(X_test))),
            "error_bound": facts["score_error_bound"],
            "encrypted_equals_clear": report.passed,
            "keys_mb": facts["bytes"]["evaluation_keys"] / 1e6,
            "input_kb": facts["bytes"]["input_row"] / 1e3,
            "output_kb": facts["bytes"]["output_row"] / 1e3,
            "peer": None if peer is None else vars(peer),
        }


def _bootstrapped(estimator: Estimator, X_train: Any, X_test: Any) -> dict[str, Any]:  # noqa: ANN401
    """The same model by lookups, in the same process right after: one row, the median of some."""
    model = ct.compile(estimator, X_train, scheme="bootstrapped", show_progress=False)
    facts = model.explain().to_dict()
    report = model.check(X_test[:_LOOKED_UP_ROWS], encrypted_rows=_LOOKED_UP_ROWS)
    return {
        "lookups": facts["lookups"],
        "table_bits": facts["table_bits"],
        "cpu_seconds": report.cpu_seconds,
        "keys_mb": facts["bytes"]["evaluation_keys"] / 1e6,
        "encrypted_equals_clear": report.passed,
    }
