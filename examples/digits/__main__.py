"""Handwritten digits, classified under encryption: 8 by 8 pixels, ten classes, a linear model, no lookup.

A linear model needs no bootstrapping, so the server takes a millisecond, evaluation keys are 13 kB, and answers are
exact. An answer tells nothing of its weights but what its scores tell: `explain()` says what that is.
"""

from __future__ import annotations

import time

import cryptable as ct
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from examples.options import wants_fast

INK = " .:-=+*#%@"


def main(fast: bool) -> None:
    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=0)
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(C=0.05)).fit(X_train, y_train)
    model = ct.compile(pipeline, X_train, name="digits")
    accuracy = (model.predict(X_test) == y_test).mean()
    print(f"accuracy: {pipeline.score(X_test, y_test):.3f} in the clear, {accuracy:.3f} compiled")
    rows = X_test[: 3 if fast else 20]
    began = time.perf_counter()
    answers = model.predict(rows, mode="encrypted")
    print(f"{len(rows)} digits encrypted, evaluated and decrypted in {time.perf_counter() - began:.2f} s")
    for image, answer in zip(rows[:3], answers, strict=False):
        for line in image.reshape(8, 8):
            print("".join(INK[min(9, int(pixel * 10 / 17))] * 2 for pixel in line))
        print(f"→ {answer}\n")
    assert (answers == model.predict(rows)).all()
    print(model.explain().client_learns)


if __name__ == "__main__":
    main(wants_fast(__doc__))
