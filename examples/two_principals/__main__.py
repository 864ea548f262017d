"""A service with TLS and tokens: Alice and Bob call the same model, and neither can touch the other's keys.

Evaluation keys belong to the principal that uploaded them. Bob cannot use Alice's, learn whether she has any, or delete
them, and who has no token is not let in at all.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import cryptable as ct
from cryptable_client import AuthenticationError, connect, list_models
from sklearn.datasets import load_iris
from sklearn.tree import DecisionTreeClassifier

from examples.options import wants_fast
from examples.serving import running_server


def new_token(file: Path, principal: str) -> str:
    """What an operator does for a caller: the token is shown once, the file keeps its digest."""
    command = [sys.executable, "-m", "cryptable_server", "tokens", "new", "--file", str(file), principal]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def main(fast: bool) -> None:
    X, y = load_iris(return_X_y=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "models").mkdir()
        tree = DecisionTreeClassifier(max_depth=3 if fast else 5, random_state=0).fit(X, y == 1)
        model = ct.compile(tree, X, name="iris")
        model.save(folder / "models/iris.cryptable")
        tokens = {principal: new_token(folder / "tokens.json", principal) for principal in ("alice", "bob")}
        with running_server(folder, "--tokens", str(folder / "tokens.json")) as (address, certificate):
            try:
                list_models(address, root_certificates=certificate, token="nobody")
            except AuthenticationError as error:
                print(f"without a token: {error}\n")
            else:
                raise SystemExit("a caller without a token was let in")
            with (
                connect(address, model="iris", root_certificates=certificate, token=tokens["alice"]) as alice,
                connect(address, model="iris", root_certificates=certificate, token=tokens["bob"]) as bob,
            ):
                for principal, remote, row in (("alice", alice, X[60:61]), ("bob", bob, X[110:111])):
                    answer = remote.predict(row)
                    print(f"{principal}: {answer}, evaluation keys {remote.evaluation_keys_digest.hex()[:16]}")
                    assert answer == model.predict(row)
                stored = {path.name for path in (folder / "keys").rglob("*") if path.is_dir()}
                print(f"the server keeps their keys apart: {len(stored)} folders in its store")
                assert alice.evaluation_keys_digest != bob.evaluation_keys_digest


if __name__ == "__main__":
    main(wants_fast(__doc__))
