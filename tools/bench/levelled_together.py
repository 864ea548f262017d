"""Rows alone and together, by the scheme levelled: bytes and CPU a row, and rows that are wrong.

python tools/bench/levelled_together.py                 the models of levelled.py, 36 rows of each
python tools/bench/levelled_together.py --only XGB --rows 114

Data and models are those of tools/bench/levelled.py, and smaller ones. Rows travel as a server takes them
(choose_batches), with answers of their own and packed ones, tensors as full as each other. A row is wrong where a
decrypted integer is not the one that the interpreter computes in the clear. CPU is that of evaluations, by the kernel
unless CRYPTABLE_KERNEL=off, the mean over rows.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable

import cryptable as ct
from cryptable_client.schemes.levelled import encryption, evaluation_keys, secret
from cryptable_engine import interpret
from cryptable_engine.kernel import usable_kernel
from cryptable_engine.schemes.levelled.evaluation.row_evaluator import RowEvaluator
from cryptable_engine.schemes.levelled.plans.plan import make_plan, plan_forms
from cryptable_engine.schemes.levelled.program import row_price
from cryptable_engine.schemes.levelled.together import choose_batches
from cryptable_protocol import InternalError, encode_rows
from cryptable_protocol.schemes.levelled.keyset import UNIVERSAL
from cryptable_protocol.schemes.levelled.parameters import LevelledParameters
from cryptable_protocol.schemes.ring_tensor import RingTensor
from levelled import CASES, Estimator, RowsAndTarget
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier


def _breast_cancer() -> RowsAndTarget:
    return load_breast_cancer(return_X_y=True)


def _iris() -> RowsAndTarget:
    return load_iris(return_X_y=True)


SMALLER: dict[str, tuple[Callable[[], Estimator], Callable[[], RowsAndTarget]]] = {
    "XGBoost 50x2 breast cancer": (
        lambda: XGBClassifier(n_estimators=50, max_depth=2, random_state=0),
        _breast_cancer,
    ),
    "XGBoost 20x3 breast cancer": (
        lambda: XGBClassifier(n_estimators=20, max_depth=3, random_state=0),
        _breast_cancer,
    ),
    "XGBoost 20x2 breast cancer": (
        lambda: XGBClassifier(n_estimators=20, max_depth=2, random_state=0),
        _breast_cancer,
    ),
    "XGBoost 20x3 iris": (lambda: XGBClassifier(n_estimators=20, max_depth=3, random_state=0), _iris),
    "random forest 10x4 breast cancer": (
        lambda: RandomForestClassifier(n_estimators=10, max_depth=4, random_state=0),
        _breast_cancer,
    ),
    "tree of depth 5 breast cancer": (lambda: DecisionTreeClassifier(max_depth=5, random_state=0), _breast_cancer),
}


def measure(name: str, count: int) -> list[list[str]]:
    """Lines of the table: rows alone, and together where they travel so."""
    make, data = (CASES | SMALLER)[name]
    X, y = data()
    training, test, labels, _ = train_test_split(X, y, test_size=0.2, random_state=0)
    model = ct.compile(make().fit(training, labels), training, scheme="levelled", show_progress=False)
    parameters = model.artifact.client_spec.parameters
    if not isinstance(parameters, LevelledParameters):
        raise InternalError(f"a model of scheme {parameters.scheme!r}, levelled was asked for")
    plan = make_plan(model.circuit, parameters, parameters.maximum)
    batches = choose_batches(plan, row_price)
    ways = [(batch, plan_forms(plan.forms, batch.row, batch.row.maximum)) for batch in batches]
    evaluator, own = RowEvaluator(plan, usable_kernel(), *ways), secret.generate()
    keys = evaluator.make_ready(memoryview(b"".join(evaluation_keys.chunks(UNIVERSAL, own))))
    rows = encode_rows(model.artifact.client_spec.features, test[:count])
    expected = interpret(model.circuit, rows)
    lines = []
    for batch in (None, *batches):
        most = 1 if batch is None else batch.most_rows
        size = -(-len(rows) // -(-len(rows) // most))
        up = down = wrong = 0
        seconds = []
        for first in range(-size, len(rows), size):  # the first makes memory ready, and does not count
            some = rows[max(first, 0) : max(first, 0) + size]
            if batch is None:
                tensor = encryption.encrypt_row(parameters, own, some[0])
            else:
                tensor = encryption.encrypt_together(batch.of(len(some)), own, some.ravel())
            sent, began = tensor.to_bytes(), time.process_time()
            answer = evaluator.evaluate_row(sent, keys)
            seconds.append(time.process_time() - began)
            if batch is None:
                found = encryption.decrypt_answer(parameters, own, RingTensor.from_bytes(answer))
            else:
                found = encryption.decrypt_together(batch.of(len(some)), own, RingTensor.from_bytes(answer))
            if first >= 0:
                up, down = up + len(sent), down + len(answer)
                wrong += int((found.reshape(len(some), -1) != expected[first : first + size]).any(axis=1).sum())
        milliseconds = 1e3 * sum(seconds[1:]) / len(rows)
        how = "alone" if batch is None else f"{size} together (at most {most})"
        how += f", {batch.rows_per_answer} an answer" if batch is not None and batch.rows_per_answer else ""
        bytes_a_row = [f"{total / len(rows) / 1000:.2f}" for total in (up, down, up + down)]
        lines.append([name, how, *bytes_a_row, f"{milliseconds:.1f}", f"{wrong} of {len(rows)}"])
    return lines


def main() -> int:
    """Measure, and print a table; exit status 1 where a row is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="cases whose name has this in it")
    parser.add_argument("--rows", type=int, default=36, help="of each case")
    arguments = parser.parse_args()
    table = Table(title="Rows alone and together", title_justify="left")
    for heading in ("model", "rows", "up, kB", "down, kB", "both, kB", "CPU a row, ms", "wrong"):
        table.add_column(heading)
    lines = [line for name in CASES | SMALLER if arguments.only in name for line in measure(name, arguments.rows)]
    for line in lines:
        table.add_row(*line)
    Console(width=140).print(table)
    return int(any(not line[-1].startswith("0 of") for line in lines))


if __name__ == "__main__":
    sys.exit(main())
