"""Anomaly detection: an isolation forest that has seen benign tumours only, asked about others.

The forest splits at random; what is odd is set apart after few splits. `predict` gives 1 for what looks as usual and
-1 for what does not, and the server that computes it sees neither the measurements nor the verdict.
"""

from __future__ import annotations

import cryptable as ct
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import IsolationForest

from examples.options import wants_fast


def main(fast: bool) -> None:
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    X = X[["worst radius", "worst texture", "worst smoothness", "worst concavity"]]
    benign, malignant = X[y == 1], X[y == 0]
    forest = IsolationForest(
        n_estimators=4 if fast else 20, max_samples=8 if fast else 16, contamination=0.15, random_state=0
    ).fit(benign)
    model = ct.compile(forest, benign, name="odd", show_progress=False)
    bill = model.explain()
    print(f"{model.circuit.products} products of bits, about {bill.cpu_seconds_predicted:.2g} s of CPU a row")
    for what, rows in (("benign", benign), ("malignant", malignant)):
        print(f"{(model.predict(rows) == -1).mean():.0%} of the {what} tumours are called odd")
    assert (model.predict(X) == forest.predict(X)).mean() > 0.97
    assert model.predict(malignant[:1], mode="encrypted") == model.predict(malignant[:1])


if __name__ == "__main__":
    main(wants_fast(__doc__))
