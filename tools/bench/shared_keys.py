"""Lets servers' key stores race on one object store, kills them, and looks whether anything acknowledged was lost.

    python tools/bench/shared_keys.py [--operations N] [--stores N] [--keys N] [--seed N]

Processes with a key store each, on a real server of the S3 protocol (moto's), upload, delete, get and scan the same
few sets of keys at once, all with quotas that are never met, and are killed and started again in the midst. Each
operation's begin and end are noted by one clock. Afterwards a store that has seen nothing looks: keys whose last upload
ended, and which no deletion that began or was acknowledged later could have taken, must be there with their bytes; keys
that were deleted, and that no upload could have brought back, must not. A get that finds other bytes fails as well.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from urllib.request import Request, urlopen

from cryptable_protocol import EvaluationKeysHeader
from cryptable_server.errors import KeysNotFoundError
from cryptable_server.keys.objects import object_store
from cryptable_server.keys.objects.object_store import ObjectKeyStore
from cryptable_server.objects.places import open_place
from cryptable_server.principals import Principal

OWNER = Principal("token:racer")
PLACE = "s3://racing/keys"
SIZE = 20_000
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "racer", "AWS_SECRET_ACCESS_KEY": "racer", "AWS_REGION": "us-east-1"}
KINDS, WEIGHTS = ("upload", "delete", "get", "scan"), (0.5, 0.3, 0.17, 0.03)
OPERATIONS_BETWEEN_KILLS = 25


@dataclass
class Operation:
    """What one process did to one set of keys; `end` is infinite where it was killed before it was answered."""

    kind: str
    key: int
    begin: float
    end: float = float("inf")
    outcome: str = "killed"


def data_of(key: int) -> bytes:
    """The bytes of a set of keys."""
    return Random(key).randbytes(SIZE)


def opened(url: str, directory: Path) -> ObjectKeyStore:
    """One server's store."""
    return ObjectKeyStore(open_place(PLACE, url, "--key-store"), directory, copies_bytes=1 << 30)


def work(url: str, directory: Path, keys: int, seed: int) -> None:
    """Operations without end, each told when it begins and when it has ended, one JSON array a line."""
    object_store._FRESH_SECONDS = 0.0
    random, store = Random(seed), opened(url, directory)
    data = [data_of(key) for key in range(keys)]
    digests = [hashlib.sha256(each).digest() for each in data]
    while True:
        (kind,), key = random.choices(KINDS, WEIGHTS), random.randrange(keys)
        print(json.dumps(["begin", kind, key, time.monotonic()]), flush=True)
        outcome = "ok"
        try:
            match kind:
                case "upload":
                    header = EvaluationKeysHeader(bytes(32), SIZE, digests[key])
                    with store.begin(OWNER, header) as upload:
                        upload.write(0, data[key])
                        upload.commit()
                case "delete":
                    store.delete(OWNER, digests[key])
                case "get":
                    store.fetch(OWNER, digests[key])
                    with store.use(OWNER, digests[key]) as found:
                        outcome = "ok" if Path(found.reference).read_bytes() == data[key] else "OTHER BYTES"
                case _:
                    store.scan()
        except (KeysNotFoundError, FileNotFoundError):
            outcome = "not found"
        print(json.dumps(["end", outcome, key, time.monotonic()]), flush=True)


class Racer(threading.Thread):
    """One process, started again whenever it was killed, and what its operations were."""

    def __init__(self, url: str, directory: Path, keys: int, seed: int, most: threading.Semaphore) -> None:
        super().__init__()
        self._arguments = [url, str(directory), str(keys)]
        self._random = Random(seed)
        self._most = most
        self.done: list[Operation] = []
        self.kills = 0

    def run(self) -> None:
        """Until all operations are spent."""
        while self._one_life():
            self.kills += 1

    def _one_life(self) -> bool:
        left = self._random.randrange(1, 2 * OPERATIONS_BETWEEN_KILLS)
        command = [sys.executable, __file__, "--work", *self._arguments, str(self._random.randrange(1 << 30))]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **CREDENTIALS}) as process:
            assert process.stdout is not None
            try:
                while left and self._most.acquire(blocking=False):
                    left -= 1
                    self._hear(process.stdout.readline())
                    if left:
                        self._hear(process.stdout.readline())
                if left:
                    return False
                time.sleep(self._random.uniform(0.0, 0.1))  # somewhere in the midst of the last one
                return True
            finally:
                process.kill()
                for line in process.stdout:
                    self._hear(line)

    def _hear(self, line: str) -> None:
        if not line.endswith("\n"):  # of a process that was killed while it spoke
            return
        what, said, key, at = json.loads(line)
        if what == "begin":
            self.done.append(Operation(said, key, at))
        else:
            self.done[-1].end, self.done[-1].outcome = at, said


@contextmanager
def object_server() -> Iterator[str]:
    """The URL of moto's server, in this process, with the bucket."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    with urlopen(Request(f"{url}/racing", method="PUT"), timeout=30):
        pass
    try:
        yield url
    finally:
        server.stop()


def is_there(store: ObjectKeyStore, key: int) -> bool:
    """Whether it has the keys, with their bytes."""
    digest = hashlib.sha256(data_of(key)).digest()
    try:
        store.fetch(OWNER, digest)
    except KeysNotFoundError:
        return False
    with store.use(OWNER, digest) as found:
        return Path(found.reference).read_bytes() == data_of(key)


def verdicts(done: list[Operation], there: dict[int, bool]) -> tuple[Counter[str], list[str]]:
    """How many sets of keys must be there, must not, or may be either; and what was lost or came back."""
    counted: Counter[str] = Counter()
    failures = [f"get of keys {each.key}: {each.outcome}" for each in done if each.outcome == "OTHER BYTES"]
    by_key = defaultdict(list)
    for each in done:
        by_key[each.key].append(each)
    for key, operations in by_key.items():
        uploads = [each for each in operations if each.kind == "upload"]
        # One that found nothing took nothing.
        deletions = [each for each in operations if each.kind == "delete" and each.outcome != "not found"]
        must = any(up.outcome == "ok" and all(gone.end < up.begin for gone in deletions) for up in uploads)
        must_not = any(gone.outcome == "ok" and all(up.end < gone.begin for up in uploads) for gone in deletions)
        counted["must be there" if must else "must not" if must_not else "either"] += 1
        if must and not there[key]:
            failures.append(f"keys {key}: an acknowledged upload was lost")
        if must_not and there[key]:
            failures.append(f"keys {key}: deleted keys are there again")
    return counted, failures


def race(operations: int, stores: int, keys: int, seed: int) -> tuple[list[Operation], Counter[str], int, list[str]]:
    """Run; what was done, verdicts, kills and failures."""
    os.environ.update(CREDENTIALS)
    most = threading.Semaphore(operations)
    with object_server() as url, tempfile.TemporaryDirectory() as name:
        racers = [Racer(url, Path(name) / str(each), keys, seed + each, most) for each in range(stores)]
        for racer in racers:
            racer.start()
        for racer in racers:
            racer.join()
        time.sleep(1.0)  # what the object store was still told by those that were killed has been done
        last = opened(url, Path(name) / "last")
        there = {key: is_there(last, key) for key in range(keys)}
        last.scan()
        assert last.count == sum(there.values())
        last.close()
    done = [each for racer in racers for each in racer.done]
    counted, failures = verdicts(done, there)
    return done, counted, sum(racer.kills for racer in racers), failures


def main() -> int:
    """Print the report; 1 where anything was lost, or came back."""
    if sys.argv[1:2] == ["--work"]:
        url, directory, keys, seed = sys.argv[2:]
        work(url, Path(directory), int(keys), int(seed))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--operations", type=int, default=1000, help="in all (default: %(default)s)")
    parser.add_argument("--stores", type=int, default=2, help="processes (default: %(default)s)")
    parser.add_argument("--keys", type=int, default=40, help="sets of keys (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(3), "big"))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    done, counted, kills, failures = race(options.operations, options.stores, options.keys, options.seed)
    for (kind, outcome), count in sorted(Counter((each.kind, each.outcome) for each in done).items()):
        print(f"{count:8d}  {kind}: {outcome}")
    print(f"{len(done)} operations, {kills} kills; of {options.keys} sets of keys: {dict(counted)}")
    for failure in failures:
        print(f"FAILURE {failure}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
