"""Attacks a running server: structure-aware mutations of calls, each of which must end with a status that is defined.

    python tools/fuzz_server.py [--cases N] [--seed N]

It serves a model of every scheme and kind of row. Callers with tokens, and strangers, send truncated, oversized and
reordered streams, wrong models, keys and digests, fields that are changed with digests computed anew, random payloads
in valid envelopes, to every method. A failure (status 1) is: a status that the specification does not give such a call,
a dead worker or front, a good request that is not answered rightly afterwards, a validator that no case reaches, or
memory of the front, at rest, more than 10 % above that of the start, when it has answered a few good calls and FIRST
calls of each kind and has come to rest.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parent / "bench"))

import numpy as np
from cryptable.compiled.compiled_model import CompiledModel
from cryptable_client import connect
from fuzz.attacker import ROLES, Attacker, attack
from fuzz.server_targets import TARGETS, Material
from serving import Running, every_kind, new_client, new_token, running_server, save_all, trees
from sklearn.datasets import load_breast_cancer

REST_SECONDS, SETTLE_SECONDS = 12.0, 60.0
"""The server gives freed memory back every few seconds; and how long at most its coming to rest is waited for."""
GROWTH = 1.1
MAX_ROWS, FIRST = 6, 10


def is_right(server: Running, model: CompiledModel, token: str, rows: int = 3) -> bool:
    """A real client's predictions, against the circuit's in the clear."""
    X, _ = load_breast_cancer(return_X_y=True)
    with connect(server.address, model=model.name, insecure=True, token=token, pins=False) as remote:
        return bool(np.array_equal(remote.predict(X[:rows]), model.predict(X[:rows])))


def settled(server: Running, enough: int) -> int:
    """Memory of the front when what the last calls brought has gone, waited for; at most `enough`, if it ever is."""
    end = time.monotonic() + SETTLE_SECONDS
    time.sleep(REST_SECONDS)
    while (size := server.resident_bytes()) > enough and time.monotonic() < end:
        time.sleep(1.0)
    return size


def fuzz(folder: Path, cases: int, seed: int) -> tuple[Attacker, str]:
    """Run cases against a server of its own; how it went, and a summary."""
    models = {**every_kind(), "other": trees("other", 4, 2, scheme="bootstrapped")}
    tokens = folder / "tokens.json"
    given = {who: new_token(tokens, who, "--roles", roles) for who, roles in ROLES.items()}
    options = ["--tokens", tokens, "--max-rows", MAX_ROWS, "--key-quota-per-principal", 1, "--log-level", "WARNING"]
    with running_server(save_all(list(models.values()), folder / "models"), folder, *options) as server:
        attacker = Attacker(server.channel(), given)
        keys = {}
        for name in models.keys() - {"linear"}:
            client = new_client(server, models[name], rows=1, token=given["mallory"])
            keys[name] = client.header.header.evaluation_keys
            client.close()
        made = Material(Random(seed), {name: model.artifact.client_spec for name, model in models.items()}, keys)
        workers = server.children()
        good = all(is_right(server, model, given["eve"]) for model in models.values())
        idle = server.resident_bytes()
        for target, _ in TARGETS:  # buffers, code and connections that are there to stay
            for number in range(FIRST):
                attacker.make(target(made), f"before, {target.__name__} {number}")
        time.sleep(REST_SECONDS)
        before, began = server.resident_bytes(), time.monotonic()
        attack(attacker, made, cases)
        seconds, peak = time.monotonic() - began, server.resident_bytes()
        after = settled(server, round(GROWTH * before))
        good_after = all(is_right(server, model, given["eve"]) for model in models.values())
        for holds, failure in (
            (good and good_after, "a good request was not answered rightly"),
            (server.process.poll() is None, "the front has ended"),
            (server.children() == workers, "a worker has ended"),
            (after <= GROWTH * before, f"the front's memory has grown from {before / 1e6:.0f} to {after / 1e6:.0f} MB"),
        ):
            if not holds:
                attacker.failures.append(failure)
        attacker.close()
    log = server.log.read_text()
    attacker.failures += [line for line in log.splitlines() if "unexpected error" in line or "worker died" in line]
    return attacker, (
        f"{cases} cases, {seconds:.0f} s; memory of the front {idle / 1e6:.0f} MB idle, {before / 1e6:.0f} MB after "
        f"{FIRST} calls of each kind, {peak / 1e6:.0f} MB at the end, {after / 1e6:.0f} MB settled "
        f"({100 * (after / before - 1):+.1f} %, at most +10 %)"
    )


def main() -> int:
    """Run, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=20_000, help="calls (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"), help="to repeat a run")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory() as name:
        attacker, summary = fuzz(Path(name), options.cases, options.seed)
    for status, count in sorted(attacker.statuses.items()):
        print(f"{count:8d}  {status}")
    for place in attacker.told.patterns:
        print(f"{attacker.told.counts[place]:8d}  {place}")
    missed = attacker.told.missed()
    print(f"{summary}; {len(attacker.told.patterns)} validators, {len(missed)} never reached")
    for failure in attacker.failures[:20]:
        print(f"FAILURE {failure}")
    for place in missed:
        print(f"NEVER REACHED {place}")
    return 1 if attacker.failures or missed else 0


if __name__ == "__main__":
    sys.exit(main())
