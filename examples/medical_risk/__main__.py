"""Medical risk with an explainable boosting machine (Wisconsin breast cancer data, 569 patients).

An explainable boosting machine is a sum of functions of one feature each, which a doctor can read as curves. Under
encryption such a sum needs no lookup, so a prediction takes milliseconds. Functions of *pairs* of features take a few
lookups, each a bootstrapping, and with them the answer no longer gives the model's weights away.
"""

from __future__ import annotations

import cryptable as ct
from interpret.glassbox import ExplainableBoostingClassifier
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

from examples.options import wants_fast


def main(fast: bool) -> None:
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    X = X[["mean radius", "mean texture", "mean smoothness", "worst area", "worst concavity", "worst symmetry"]]
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=0)
    smaller = {"outer_bags": 1, "max_rounds": 200} if fast else {}

    for pairs in (0, 2):
        machine = ExplainableBoostingClassifier(
            interactions=pairs, max_interaction_bins=4, random_state=0, n_jobs=1, **smaller
        ).fit(X_train, y_train)
        model = ct.compile(machine, X_train, name=f"risk-{pairs}-pairs", show_progress=False)
        bill = model.explain()
        print(f"\n{pairs} pairs: {bill.lookups} lookups, about {bill.cpu_seconds_predicted:.2g} s of CPU a patient")
        print(bill.client_learns)
        report = model.check(X_test, y_test, encrypted_rows=1 if fast else 3)
        print(f"accuracy {report['float'].score:.3f} in the clear, {report['clear'].score:.3f} compiled")
        assert report.passed, "an encrypted score differs from the clear one"

    print("\nThe first patient's risk, in the order in which a doctor would ask why:")
    explanation = machine.explain_local(X_test[:1], y_test[:1]).data(0)
    for name, share in sorted(
        zip(explanation["names"], explanation["scores"], strict=True), key=lambda part: -abs(part[1])
    ):
        print(f"  {share:+.2f}  {name}")
    print("That explanation is made by whoever has the model and the row in the clear; the server has only the model.")


if __name__ == "__main__":
    main(wants_fast(__doc__))
