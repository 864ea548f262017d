"""A tree model's whole way without bootstrapping, where concrete-python is not: train, compile, serve, predict."""

import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path

import cryptable as ct
import numpy as np
from cryptable_client import connect
from sklearn.datasets import load_breast_cancer

try:
    from xgboost import XGBClassifier as Trees
except ImportError:  # scikit-learn alone will do
    from sklearn.ensemble import GradientBoostingClassifier as Trees

for module in ("concrete", "mlir", "capnp"):
    try:
        missing = importlib.util.find_spec(module) is None
    except ModuleNotFoundError:
        missing = True
    assert missing, f"{module} is here"

X, y = load_breast_cancer(return_X_y=True)
estimator = Trees(n_estimators=10, max_depth=3, random_state=0).fit(X[100:], y[100:])
model = ct.compile(estimator, X[100:], name="trees", show_progress=False)
assert model.artifact.client_spec.scheme == "levelled"
assert model.check(X[:20], y[:20], encrypted_rows=2).passed
with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    (folder / "models").mkdir()
    model.save(folder / "models" / "trees.cryptable")
    command = [sys.executable, "-m", "cryptable_server", "serve", "--insecure", "--address", "127.0.0.1:0"]
    for option in ("models", "keys", "programs"):
        command += [f"--{option}", str(folder / option)]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        ready = server.stdout.readline()
        assert ready.startswith("cryptable-server ready on "), (folder / "log").read_text()
        with connect(ready.split()[-1], model="trees", insecure=True, pins=False) as remote:
            found = remote.predict(X[:10])
    finally:
        server.terminate()
        server.wait(60)
        server.stdout.close()
assert (found == model.predict(X[:10])).all()
assert (found == estimator.predict(X[:10])).mean() >= 0.9  # all but where scores are next to the threshold
print(f"Python {sys.version.split()[0]}, NumPy {np.__version__}: {type(estimator).__name__}, 10 rows predicted")
