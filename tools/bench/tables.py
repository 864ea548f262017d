"""What the table compiler makes of the cases of the issue "Every tabular model": lookups, price, accuracy.

python tools/bench/tables.py            all cases: planned and compiled, nothing evaluated under encryption
python tools/bench/tables.py --encrypted-rows 2
python tools/bench/tables.py --json

Data are scikit-learn's own, split with train_test_split(test_size=0.2, random_state=0); estimators have random_state=0
and their defaults but for the arguments named. Price is the crypto optimizer's complexity at p_error 2^-40.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import cryptable as ct
from catboost import CatBoostClassifier  # type: ignore[import-untyped]
from interpret.glassbox import ExplainableBoostingClassifier
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split
from sklearn.naive_bayes import GaussianNB
from xgboost import XGBClassifier, XGBRegressor

Estimator: TypeAlias = Any
RowsAndTarget: TypeAlias = Any


@dataclass(frozen=True)
class Case:
    """One model, and the most that it may cost."""

    name: str
    make: Callable[[], Estimator]
    data: Callable[[], RowsAndTarget]
    price_bar: float | None


def _breast_cancer() -> RowsAndTarget:
    return load_breast_cancer(return_X_y=True)


def _digits() -> RowsAndTarget:
    return load_digits(return_X_y=True)


def _diabetes() -> RowsAndTarget:
    return load_diabetes(return_X_y=True)


def _synthetic() -> RowsAndTarget:
    return make_classification(2000, 30, n_informative=10, random_state=0)


CASES = (
    Case(
        "XGBoost 20x3 breast cancer",
        lambda: XGBClassifier(n_estimators=20, max_depth=3, random_state=0),
        _breast_cancer,
        4.4e9,
    ),
    Case(
        "XGBoost 100x3 breast cancer",
        lambda: XGBClassifier(n_estimators=100, max_depth=3, random_state=0),
        _breast_cancer,
        6.4e9,
    ),
    Case("XGBoost 10x3 digits", lambda: XGBClassifier(n_estimators=10, max_depth=3, random_state=0), _digits, 2.3e10),
    Case(
        "XGBoost 20x3 regressor diabetes",
        lambda: XGBRegressor(n_estimators=20, max_depth=3, random_state=0),
        _diabetes,
        5.2e9,
    ),
    Case(
        "RandomForest 10x4 breast cancer",
        lambda: RandomForestClassifier(n_estimators=10, max_depth=4, random_state=0),
        _breast_cancer,
        6.2e9,
    ),
    Case(
        "RandomForest 50x5 synthetic",
        lambda: RandomForestClassifier(n_estimators=50, max_depth=5, random_state=0),
        _synthetic,
        7.4e10,
    ),
    Case(
        "CatBoost 50x4 breast cancer",
        lambda: CatBoostClassifier(
            iterations=50, depth=4, random_state=0, verbose=0, allow_writing_files=False, thread_count=1
        ),
        _breast_cancer,
        50 * 1.43e8,
    ),
    Case(
        "XGBoost 50x1 breast cancer",
        lambda: XGBClassifier(n_estimators=50, max_depth=1, random_state=0),
        _breast_cancer,
        1e6,
    ),
    Case("GaussianNB breast cancer", GaussianNB, _breast_cancer, 1e6),
    Case(
        "EBM without pairs, breast cancer",
        lambda: ExplainableBoostingClassifier(interactions=0, random_state=0),
        _breast_cancer,
        1e6,
    ),
)


def measure(case: Case, *, encrypted_rows: int) -> dict[str, Any]:
    """Train, compile and check one case."""
    X, y = case.data()
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=0)
    estimator = case.make().fit(X_train, y_train)
    began = time.process_time()
    model = ct.compile(estimator, X_train, show_progress=False)
    compile_seconds = time.process_time() - began
    facts = model.explain().to_dict()
    report = model.check(X_test, y_test, encrypted_rows=encrypted_rows)
    return {
        "case": case.name,
        "lookups": facts["lookups"],
        "table_bits": facts["table_bits"],
        "price": facts["price"],
        "price_bar": case.price_bar,
        "output_bits": facts["output_bits"],
        "input_elements": facts["input_elements"],
        "score_float": report["float"].score,
        "score_clear": report["clear"].score,
        "largest_difference": report["clear"].largest_difference,
        "error_bound": facts["score_error_bound"],
        "compile_cpu_seconds": compile_seconds,
        "cpu_seconds_predicted": facts["cpu_seconds_predicted"],
        "cpu_seconds": report.cpu_seconds,
        "encrypted_equals_clear": report.passed if encrypted_rows else None,
    }


def main() -> int:
    """Measure and print; exit status 1 where an encrypted result is not the clear one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encrypted-rows", type=int, default=0)
    parser.add_argument("--only", help="cases whose name contains this")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    chosen = [case for case in CASES if arguments.only is None or arguments.only in case.name]
    results = [measure(case, encrypted_rows=arguments.encrypted_rows) for case in chosen]
    if arguments.json:
        print(json.dumps(results, indent=2))
    else:
        Console(width=None if sys.stdout.isatty() else 150).print(_table(results))
    return 0 if all(result["encrypted_equals_clear"] in (None, True) for result in results) else 1


def _table(results: list[dict[str, Any]]) -> Table:
    table = Table()
    for heading in (
        "case",
        "lookups",
        "price",
        "bar",
        "bits up",
        "score float / clear",
        "off by",
        "bound",
        "CPU s a row",
    ):
        table.add_column(heading)
    for result in results:
        bar = result["price_bar"]
        met = "" if bar is None else f"{bar:.2g} {'met' if result['price'] <= bar else 'MISSED'}"
        seconds = result["cpu_seconds"]
        table.add_row(
            result["case"],
            f"{result['lookups']} of {result['table_bits']} bits",
            f"{result['price']:.3g}",
            met,
            str(result["input_elements"]),
            f"{result['score_float']:.4f} / {result['score_clear']:.4f}",
            f"{result['largest_difference']:.2g}",
            f"{result['error_bound']:.2g}",
            f"about {result['cpu_seconds_predicted']:.2g}" if seconds is None else f"{seconds:.3g}",
        )
    return table


if __name__ == "__main__":
    raise SystemExit(main())
