"""CatBoost on the progress of diabetes (442 patients, ten measurements).

CatBoost grows symmetric trees: every node of a level asks the same question. A tree of depth 4 has four questions, so
its sixteen leaves are exactly one table of 4 bits: by lookups, one a tree, and fewer after merging. Products of bits,
which models of trees become by default, are many more, since each branch asks on its own, and still far cheaper.
"""

from __future__ import annotations

import cryptable as ct
from catboost import CatBoostRegressor
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split

from examples.options import wants_fast


def main(fast: bool) -> None:
    X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=0)
    trees = 8 if fast else 40
    regressor = CatBoostRegressor(
        iterations=trees, depth=4, learning_rate=0.15, random_seed=0, verbose=False, allow_writing_files=False
    ).fit(X_train, y_train)
    model = ct.compile(regressor, X_train, name="progress", show_progress=False)
    bill = model.explain()
    tables = ct.compile(regressor, X_train, name="by-lookups", scheme="bootstrapped", show_progress=False).explain()
    print(f"{trees} trees of depth 4: {model.circuit.products} products, {bill.cpu_seconds_predicted:.2g} s of CPU")
    print(f"or {tables.lookups} lookups of {tables.table_bits} bits, {tables.cpu_seconds_predicted:.2g} s of CPU")
    assert 0 < tables.lookups <= trees
    assert bill.cpu_seconds_predicted < tables.cpu_seconds_predicted
    report = model.check(X_test, y_test, encrypted_rows=1 if fast else 3)
    print(report)
    assert report.passed, "an encrypted score differs from the clear one"


if __name__ == "__main__":
    main(wants_fast(__doc__))
