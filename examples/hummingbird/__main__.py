"""A forest that hummingbird-ml has written as tensors, for torch: its trees are found again, and cost what they cost.

Teams that serve all their models as tensors may have nothing else of a model. Multiplied as tensors under encryption,
its comparisons would take a lookup each. The compiler sees what hummingbird made of which tree, plans products of bits
as for the forest itself, without bootstrapping, and compares its answers with the converted model's.
"""

from __future__ import annotations

import warnings

import cryptable as ct
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.model_selection import train_test_split

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of hummingbird's own imports
    import hummingbird.ml

from examples.options import wants_fast


def main(fast: bool) -> None:
    X, y = load_breast_cancer(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=0)
    forest = ExtraTreesClassifier(n_estimators=5 if fast else 20, max_depth=3, random_state=0).fit(X_train, y_train)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's exporter
        converted = hummingbird.ml.convert(forest, "torch", X_train[:1])
        model = ct.compile(converted, X_train, name="tensors")
    same = ct.compile(forest, X_train, name="forest")
    comparisons = sum(int((tree.tree_.feature >= 0).sum()) for tree in forest.estimators_)
    print(f"{comparisons} comparisons in {len(forest.estimators_)} trees")
    print(f"products: {model.circuit.products} of the tensors, {same.circuit.products} of the forest itself")
    answers = model.predict(X_test)
    print(f"accuracy: {forest.score(X_test, y_test):.3f} of the forest, {(answers == y_test).mean():.3f} compiled")
    rows = X_test[: 1 if fast else 5]
    encrypted = model.predict(rows, mode="encrypted")
    print(f"encrypted: {encrypted.tolist()}, in the clear: {answers[: len(rows)].tolist()}")
    assert (encrypted == answers[: len(rows)]).all()
    assert (answers == same.predict(X_test)).all()
    assert model.circuit.products == same.circuit.products > 0
    assert model.circuit.lookups == 0


if __name__ == "__main__":
    main(wants_fast(__doc__))
