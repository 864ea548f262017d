"""What a front pays for keys in an object store: CPU of uploads, of looks and of copies, and memory of its books.

    python tools/bench/object_keys.py [--keys N] [--books N]

Keys are of the size that models of trees have. The object store (moto's) is another process, whose CPU is not counted.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from random import Random
from urllib.request import Request, urlopen

from cryptable_protocol import EvaluationKeysHeader, limits
from cryptable_protocol.schemes.levelled.keyset import UNIVERSAL
from cryptable_server.keys.objects import listed, object_store
from cryptable_server.keys.objects.object_store import ObjectKeyStore
from cryptable_server.objects.bucket import StoredObject
from cryptable_server.objects.places import open_place
from cryptable_server.principals import Principal

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "measured", "AWS_SECRET_ACCESS_KEY": "measured", "AWS_REGION": "us-east-1"}
SERVER = """
import logging, time
from moto.server import ThreadedMotoServer
logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print("http://%s:%d" % server.get_host_and_port(), flush=True)
time.sleep(3600)
"""


def milliseconds(act: Callable[[int], object], count: int) -> float:
    """CPU of this process, the median of `count` times."""
    found = []
    for number in range(count):
        began = time.process_time()
        act(number)
        found.append(time.process_time() - began)
    return 1000 * statistics.median(found)


def measure(url: str, folder: Path, keys: int) -> None:
    """Print what calls cost."""
    place = "s3://measured/keys"
    with urlopen(Request(f"{url}/measured", method="PUT"), timeout=30):
        pass
    one, other = (
        ObjectKeyStore(open_place(place, url, "--key-store"), folder / name, copies_bytes=1 << 30) for name in "ab"
    )
    owner, size = Principal("token:measured"), UNIVERSAL.evaluation_keys_bytes
    data = [Random(number).randbytes(size) for number in range(keys)]
    digests = [hashlib.sha256(each).digest() for each in data]

    def put(number: int) -> None:
        with one.begin(owner, EvaluationKeysHeader(UNIVERSAL.name, size, digests[number])) as upload:
            for offset in range(0, size, limits.CHUNK_BYTES):
                upload.write(offset, data[number][offset : offset + limits.CHUNK_BYTES])
            upload.commit()

    def use(number: int) -> None:
        other.fetch(owner, digests[number])
        with other.use(owner, digests[number]):
            pass

    print(f"keys of {size} bytes; CPU of the front in ms, medians of {keys}")
    print(f"{milliseconds(put, keys):8.2f}  an upload: received, hashed, put, listed")
    print(f"{milliseconds(use, keys):8.2f}  a call whose keys are not here: listed, got, hashed")
    print(f"{milliseconds(use, keys):8.2f}  a call soon after another of the same keys")
    object_store._FRESH_SECONDS = 0.0
    print(f"{milliseconds(use, keys):8.2f}  a call whose keys were not asked about for two seconds: listed")
    for store in (one, other):
        store.close()


def books(url: str, folder: Path, count: int) -> None:
    """Print what so many sets of keys take in a front's memory."""
    store = ObjectKeyStore(open_place("s3://measured/books", url, "--key-store"), folder / "books", copies_bytes=1)
    tracemalloc.start()
    for number in range(count):
        digest = hashlib.sha256(number.to_bytes(4, "big")).digest()
        owner = Principal(f"token:{number}").folder
        upload = StoredObject(listed.new_name(owner, digest, UNIVERSAL.name), 878_608, 1e9, f'"{digest.hex()[:32]}"')
        mark = StoredObject(f"{listed.folder_of(owner, digest)}/{listed.USED}", 0, 1e9, "")
        ((name, found),) = listed.read([upload, mark]).items()
        store._take(name, found, time.monotonic())
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    print(f"{size / count / 1000:8.2f}  kB of books for a set of keys of an owner of its own, of {count}")
    store.close()


def main() -> int:
    """Print the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, default=40, help="sets of keys (default: %(default)s)")
    parser.add_argument("--books", type=int, default=20_000, help="in the books (default: %(default)s)")
    options = parser.parse_args()
    os.environ.update(CREDENTIALS)
    with (
        tempfile.TemporaryDirectory() as name,
        subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True) as server,
    ):
        try:
            assert server.stdout is not None
            url = server.stdout.readline().strip()
            measure(url, Path(name), options.keys)
            books(url, Path(name), options.books)
        finally:
            server.kill()
    return 0


if __name__ == "__main__":
    sys.exit(main())
