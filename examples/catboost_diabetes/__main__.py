"""CatBoost on the progress of diabetes (442 patients, ten measurements).

CatBoost grows symmetric trees: every node of a level asks the same question. A tree of depth 4 has four questions, so
its sixteen leaves are exactly one table of 4 bits: one lookup a tree, and fewer after merging.
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
    print(f"{trees} trees of depth 4: {bill.lookups} lookups of {bill.table_bits} bits")
    assert bill.lookups <= trees
    report = model.check(X_test, y_test, encrypted_rows=1 if fast else 3)
    print(report)
    assert report.passed, "an encrypted score differs from the clear one"


if __name__ == "__main__":
    main(wants_fast(__doc__))
