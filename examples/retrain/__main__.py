"""A model is retrained while clients keep their keys.

Keys depend on the crypto parameters alone, and all models of trees have the same ones. So the client makes and uploads
its keys once, less than a megabyte; when the operator replaces the file, the running server takes the new model up, and
the same keys do for it. (Parameters of bootstrapped models come from a small catalogue; there, `keys_of=` insists.)
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import cryptable as ct
import numpy as np
from cryptable_client import SecretKeys, connect, fetch_spec
from sklearn.datasets import load_wine
from xgboost import XGBClassifier

from examples.options import wants_fast
from examples.serving import running_server


def main(fast: bool) -> None:
    X, y = load_wine(return_X_y=True)
    X, y = X[:, [0, 6, 9, 12]], (y == 1).astype(int)
    first = XGBClassifier(n_estimators=3 if fast else 10, max_depth=3).fit(X[::2], y[::2])
    second = XGBClassifier(n_estimators=4 if fast else 12, max_depth=3).fit(X, y)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "models").mkdir()
        before = ct.compile(first, X, name="wine", version="1", show_progress=False)
        after = ct.compile(second, X, name="wine", version="2", keys_of=before, show_progress=False)
        before.save(folder / "models/wine.cryptable")
        with running_server(folder, "--watch", "0.2") as (address, certificate):
            spec = fetch_spec(address, model="wine", root_certificates=certificate)
            with SecretKeys.generate(spec) as keys:
                told = {"root_certificates": certificate, "secret_keys": keys, "evaluation_keys": folder / "my.keys"}
                with connect(address, model="wine", **told) as remote:
                    print("version 1:", remote.predict(X[:1]), "bytes of keys sent:", remote.traffic["keys_sent"])
                    assert 500_000 < remote.traffic["keys_sent"] < 1_000_000
                after.save(folder / "models/wine.cryptable")
                while fetch_spec(address, model="wine", root_certificates=certificate) == spec:
                    time.sleep(0.1)
                with connect(address, model="wine", **told) as remote:
                    answers = remote.decision_function(X[:1])
                    print("version 2:", remote.predict(X[:1]), "bytes of keys sent:", remote.traffic["keys_sent"])
                    assert remote.traffic["keys_sent"] < 100, "only their digest is sent"
                assert np.array_equal(answers, after.decision_function(X[:1]))


if __name__ == "__main__":
    main(wants_fast(__doc__))
