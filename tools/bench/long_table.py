"""A long table through `cryptable-client predict`: seconds and the client's most memory, by rows, CSV or Parquet.

python tools/bench/long_table.py [--rows 10000 100000] [--parquet] [--keep]

A server of its own, on this machine and started with --bulk, has a small forest on three columns. Each table is made,
predicted by a process of its own, and compared with the model's own predictions. With --keep, answers are kept in a
file as they come (--resume). Memory is the most that the process had in memory, of which Python and its libraries have
the most; Linux alone tells it.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import cryptable as ct
import numpy as np
import numpy.typing as npt
from cryptable_client.files.tables import write_table
from sklearn.ensemble import RandomForestClassifier

COLUMNS = ["x0", "x1", "x2"]


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """A server of the models in a folder: its address."""
    command = [sys.executable, "-m", "cryptable_server", "serve", "--models", str(folder), "--insecure", "--bulk"]
    command += ["--keys", str(folder.parent / "keys"), "--address", "127.0.0.1:0"]
    log = folder.parent / "log"
    with (
        log.open("wb") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        try:
            ready = process.stdout.readline() if process.stdout else ""
            if not ready.startswith("cryptable-server ready on "):
                raise SystemExit(log.read_text())
            yield ready.split()[-1]
        finally:
            process.terminate()


def predicted(address: str, source: Path, target: Path, more: list[str]) -> tuple[float, float]:
    """Seconds of a run, and the most memory of its process in megabytes."""
    command = [sys.executable, "-m", "cryptable_client", "predict", "--address", address, "--insecure"]
    command += ["--model", "trees", "--input", str(source), "--output", str(target), *more]
    began, most = time.monotonic(), 0.0
    with subprocess.Popen(command) as process:
        # What wait4 tells begins with the memory of the process that started it.
        while process.poll() is None:
            status = Path(f"/proc/{process.pid}/status").read_text()
            found = re.search(r"VmHWM:\s+(\d+) kB", status)
            most = max(most, int(found[1]) / 1e3 if found else 0.0)
            time.sleep(0.05)
    if process.returncode:
        raise SystemExit(f"predict ended with {process.returncode}")
    return time.monotonic() - began, most


def read(path: Path) -> npt.NDArray[np.bool_]:
    """A table of predictions, which are True or False."""
    if path.suffix == ".parquet":
        parquet = import_module("pyarrow.parquet")
        return np.array(parquet.read_table(path).column(0).to_pylist(), bool)
    return np.array([line == "True" for line in path.read_text().split()[1:]])


def main() -> None:
    """Print a line for each table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--parquet", action="store_true")
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    random = np.random.default_rng(0)
    rows = random.normal(size=(max(options.rows), 3))
    forest = RandomForestClassifier(4, max_depth=3, max_leaf_nodes=4, random_state=0)
    forest.fit(rows[:300], rows[:300, 0] + rows[:300, 1] * rows[:300, 2] > 0)
    model = ct.compile(forest, rows[:300], scheme="levelled", name="trees", show_progress=False)
    ending = "parquet" if options.parquet else "csv"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "models"
        folder.mkdir()
        model.save(folder / "trees.cryptable")
        with served(folder) as address:
            for count in options.rows:
                source, target = Path(name) / f"rows.{ending}", Path(name) / f"answers.{ending}"
                write_table(str(source), COLUMNS, rows[:count].tolist())
                more = ["--resume", str(Path(name) / "kept")] if options.keep else []
                seconds, memory = predicted(address, source, target, more)
                wrong = int((read(target) != model.predict(rows[:count])).sum())
                print(f"{ending}, {count} rows: {seconds:.0f} s, {memory:.0f} MB at most, {wrong} wrong", flush=True)


if __name__ == "__main__":
    main()
