"""Rows in bulk of a network on MNIST through a server: memory of its front, its worker and of the client, and CPU.

python tools/bench/bulk_served.py FOLDER ARTIFACT [--rows 10000]

A server of its own, on this machine and started with --bulk, has the model that `bulk.py --mnist FOLDER --artifact
ARTIFACT` has kept. The images for testing are predicted by one call of `remote.predict`, and compared with the model's
own predictions. FOLDER is where examples/mnist/data.py has put its file. Memory is the most that a process had in
memory, before that call and after it; Linux alone tells it.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import cryptable as ct
import numpy as np
from cryptable_client import connect
from long_table import served
from squares import images_of


def below(pid: int) -> list[int]:
    """Processes that one has started, and those that they have."""
    threads = Path(f"/proc/{pid}/task").glob("*/children")
    own = [int(each) for listed in threads for each in listed.read_text().split()]
    return own + [child for each in own for child in below(each)]


def memory() -> dict[str, float]:
    """The most megabytes of the client, which is this process, and of the server's processes."""
    found: dict[str, float] = {}
    for pid in (os.getpid(), *below(os.getpid())):
        line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
        kind = "client" if pid == os.getpid() else "worker" if b"processes.worker" in line else "front"
        status = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
        found[kind] = max(found.get(kind, 0.0), int(status[1]) / 1e3 if status else 0.0)
    return found


def main() -> None:
    """Print what is measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mnist", type=Path, metavar="FOLDER")
    parser.add_argument("artifact", type=Path, metavar="ARTIFACT")
    parser.add_argument("--rows", type=int, default=10_000)
    options = parser.parse_args()
    model = ct.load(options.artifact)
    _, images, _, labels = images_of(options.mnist)
    images, labels = images[: options.rows], labels[: options.rows]
    wanted = model.predict(images)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "models"
        folder.mkdir()
        shutil.copy(options.artifact, folder / "model.cryptable")
        with served(folder) as address:
            name_of_it = model.artifact.model_name
            with connect(address, model=name_of_it, insecure=True, timeout=1200.0) as remote:
                remote.predict(images[:2])
                before, began, cpu = memory(), time.monotonic(), time.process_time()
                found = remote.predict(images)
                seconds, client, after = time.monotonic() - began, time.process_time() - cpu, memory()
                traffic, timings = remote.traffic, remote.timings
    wrong, right = int((found != wanted).sum()), float(np.mean(found == labels))
    print(f"{name_of_it}, {len(images)} rows: {seconds:.0f} s, {wrong} not as the model's own, {right:.4f} right")
    print(f"client: {client:.1f} s of CPU, {traffic['rows_sent'] / len(images) / 1e3:.1f} kB up a row")
    print(f"server: {timings['server_cpu']:.1f} s of CPU")
    for kind, most in after.items():
        print(f"{kind}: {most:.0f} MB at most, {most - before[kind]:.0f} more than before")


if __name__ == "__main__":
    main()
