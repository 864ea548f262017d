"""Trees by the scheme levelled beside the same trees bootstrapped: CPU a row, bytes, products, in one process.

python tools/bench/levelled.py                  all cases, 3 rows of each
python tools/bench/levelled.py --case digits --rows 10
python tools/bench/levelled.py --alone          without the bootstrapped side, which takes minutes
CRYPTABLE_KERNEL=off CRYPTABLE_LOOKUPS=concrete python tools/bench/levelled.py     NumPy alone, and lookups by Concrete

Data are scikit-learn's own, split with train_test_split(test_size=0.2, random_state=0). Rows are evaluated in turn by
either scheme, so that a busy machine slows both; figures are medians of CPU time. p_error is each scheme's default.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any, TypeAlias

import cryptable as ct
import numpy as np
from catboost import CatBoostClassifier  # type: ignore[import-untyped]
from cryptable.compiled.local_session import LocalSession
from cryptable.compiled.program_folder import ProgramFolder
from cryptable.planner.settings import Scheme
from cryptable_engine import interpret
from cryptable_protocol import encode_rows
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_breast_cancer, load_digits, make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split
from xgboost import XGBClassifier

Estimator: TypeAlias = Any
Rows: TypeAlias = Any
RowsAndTarget: TypeAlias = Any


def _breast_cancer() -> RowsAndTarget:
    return load_breast_cancer(return_X_y=True)


def _digits() -> RowsAndTarget:
    return load_digits(return_X_y=True)


def _synthetic() -> RowsAndTarget:
    return make_classification(2000, 30, n_informative=10, random_state=0)


def _boosting(trees: int, depth: int) -> XGBClassifier:
    return XGBClassifier(n_estimators=trees, max_depth=depth, random_state=0)


CASES: dict[str, tuple[Callable[[], Estimator], Callable[[], RowsAndTarget]]] = {
    "XGBoost 100x3 breast cancer": (lambda: _boosting(100, 3), _breast_cancer),
    "XGBoost 10x3 digits": (lambda: _boosting(10, 3), _digits),
    "XGBoost 50x4 synthetic": (lambda: _boosting(50, 4), _synthetic),
    "random forest 50x5 synthetic": (
        lambda: RandomForestClassifier(n_estimators=50, max_depth=5, random_state=0),
        _synthetic,
    ),
    "CatBoost 50x4 breast cancer": (
        lambda: CatBoostClassifier(
            iterations=50, depth=4, random_state=0, verbose=0, allow_writing_files=False, thread_count=1
        ),
        _breast_cancer,
    ),
}
_WARM_UP = 1
"""Rows before those that count: the first makes keys and plans ready."""


class _Side:
    """One scheme's model, and what its rows cost."""

    def __init__(self, scheme: Scheme, estimator: Estimator, training: Rows) -> None:
        began = time.process_time()
        self.model = ct.compile(estimator, training, scheme=scheme, show_progress=False)
        self.compile_seconds = time.process_time() - began
        artifact = self.model.artifact
        program = ProgramFolder(self.model.circuit, artifact.compile_options, promised=artifact.client_spec.parameters)
        self._folder = program  # which is removed with this
        self.session = LocalSession(artifact.client_spec, program.program)
        self.wrong = 0

    def evaluate(self, rows: Rows) -> None:
        encoded = encode_rows(self.model.artifact.client_spec.features, rows)
        found = self.session.evaluate(encoded)
        self.wrong += int(np.any(found != interpret(self.model.circuit, encoded), axis=1).sum())

    def figures(self) -> dict[str, Any]:
        measured, facts = self.session.measured, self.model.explain()
        return {
            "seconds": statistics.median(measured.evaluation_cpu_seconds[_WARM_UP:]),
            "predicted": facts.cpu_seconds_predicted,
            "compile": self.compile_seconds,
            "keys_ready": measured.keys_cpu_seconds,
            "lookups": facts.lookups,
            "products": self.model.circuit.products,
            "selectors": facts.levelled.selectors if facts.levelled else 0,
            "keys": measured.evaluation_keys_bytes,
            "up": measured.input_row_bytes,
            "down": measured.output_row_bytes,
            "log2_failure": facts.levelled.log2_failure if facts.levelled else None,
            "wrong": self.wrong,
        }


def measure(name: str, *, rows: int, alone: bool) -> dict[str, dict[str, Any]]:
    """Figures of a case, by scheme."""
    make, data = CASES[name]
    X, y = data()
    training, test, labels, _ = train_test_split(X, y, test_size=0.2, random_state=0)
    estimator = make().fit(training, labels)
    schemes: tuple[Scheme, ...] = ("levelled",) if alone else ("levelled", "bootstrapped")
    sides = {scheme: _Side(scheme, estimator, training) for scheme in schemes}
    for row in test[: rows + _WARM_UP]:
        for side in sides.values():
            side.evaluate(row[None])
    found: dict[str, dict[str, Any]] = {scheme: side.figures() for scheme, side in sides.items()}
    for side in sides.values():
        side.session.close()
    return found


def main() -> int:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", default="", help="only cases whose name has this in it")
    parser.add_argument("--rows", type=int, default=3, help="of each case")
    parser.add_argument("--alone", action="store_true", help="without the bootstrapped side")
    parser.add_argument("--json", action="store_true", help="figures for machines")
    arguments = parser.parse_args()
    found = {
        name: measure(name, rows=arguments.rows, alone=arguments.alone) for name in CASES if arguments.case in name
    }
    if arguments.json:
        sys.stdout.write(json.dumps(found, indent=1) + "\n")
    else:
        Console(width=150).print(_table(found))
    return 1 if any(figures["wrong"] for sides in found.values() for figures in sides.values()) else 0


def _table(found: dict[str, dict[str, dict[str, Any]]]) -> Table:
    table = Table(title="Trees, levelled and bootstrapped", title_justify="left")
    for heading in ("model", "scheme", "CPU a row", "predicted", "ratio", "work", "keys", "up", "down", "wrong"):
        table.add_column(heading)
    for name, sides in found.items():
        for scheme, figures in sides.items():
            work = (
                f"{figures['lookups']} lookups"
                if figures["lookups"]
                else f"{figures['products']} products, {figures['selectors']} selectors"
            )
            table.add_row(
                name,
                scheme,
                f"{1e3 * figures['seconds']:.1f} ms",
                f"{1e3 * figures['predicted']:.1f} ms",
                f"{figures['seconds'] / sides['levelled']['seconds']:.1f}",
                work,
                *(f"{figures[size] / 1e3:.1f} kB" for size in ("keys", "up", "down")),
                str(figures["wrong"]),
            )
    return table


if __name__ == "__main__":
    sys.exit(main())
