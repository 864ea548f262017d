"""A lone row of a model of trees, by one thread and by several in turn: seconds on the clock, and of CPU.

    python tools/bench/lone_row.py                    two threads beside one, 20 rows of each model of levelled.py
    python tools/bench/lone_row.py --threads 2 4 8 --rows 50

Medians over rows, by the kernel, in one process. Threads gain only as far as cores are free: run it on a machine that
does nothing else.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys

import cryptable as ct
from cryptable.compiled.local_session import LocalSession
from cryptable.compiled.program_folder import ProgramFolder
from cryptable_engine import interpret
from cryptable_protocol import encode_rows
from levelled import CASES
from rich.console import Console
from rich.table import Table
from sklearn.model_selection import train_test_split

_WARM_UP = 1
"""Rows before those that count: the first makes keys ready."""
_THREADS = "OMP_NUM_THREADS"


def measure(name: str, *, threads: list[int], rows: int) -> dict[int, tuple[float, float, int]]:
    """Seconds on the clock, seconds of CPU, and wrong rows, by threads."""
    make, data = CASES[name]
    X, y = data()
    training, test, labels, _ = train_test_split(X, y, test_size=0.2, random_state=0)
    model = ct.compile(make().fit(training, labels), training, scheme="levelled", show_progress=False)
    artifact = model.artifact
    sessions, folders = {}, []
    for count in threads:  # each has its own program, whose evaluation has as many threads as there are when it is made
        os.environ[_THREADS] = str(count)
        folders.append(ProgramFolder(model.circuit, artifact.compile_options, promised=artifact.client_spec.parameters))
        sessions[count] = LocalSession(artifact.client_spec, folders[-1].program)
    os.environ[_THREADS] = str(max(threads))  # of the pool, which the first row makes
    wrong = dict.fromkeys(threads, 0)
    encoded = encode_rows(artifact.client_spec.features, test[: rows + _WARM_UP])
    for values, expected in zip(encoded, interpret(model.circuit, encoded), strict=True):
        for count, session in sessions.items():
            wrong[count] += int((session.evaluate(values[None])[0] != expected).any())
    found = {}
    for count, session in sessions.items():
        wall, cpu = session.measured.evaluation_wall_seconds, session.measured.evaluation_cpu_seconds
        found[count] = (statistics.median(wall[_WARM_UP:]), statistics.median(cpu[_WARM_UP:]), wrong[count])
        session.close()
    return found


def main() -> int:
    """Measure and print; exit status 1 where an answer is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=[2], help="beside one")
    parser.add_argument("--rows", type=int, default=20, help="of each model")
    parser.add_argument("--only", default="", help="models whose name has this in it")
    arguments = parser.parse_args()
    threads = sorted({1, *arguments.threads}, reverse=True)
    table = Table(title="A lone row by threads", title_justify="left")
    for heading in ("model", "threads", "clock, ms", "of one's", "CPU, ms", "of one's", "wrong"):
        table.add_column(heading)
    any_wrong = False
    for name in (name for name in CASES if arguments.only in name):
        found = measure(name, threads=threads, rows=arguments.rows)
        for count, (wall, cpu, wrong) in found.items():
            any_wrong = any_wrong or wrong > 0
            ratios = f"{wall / found[1][0]:.2f}", f"{cpu / found[1][1]:.2f}"
            figures = f"{1e3 * wall:.1f}", ratios[0], f"{1e3 * cpu:.1f}", ratios[1]
            table.add_row(name, str(count), *figures, f"{wrong} of {arguments.rows + _WARM_UP}")
    Console(width=120).print(table)
    return int(any_wrong)


if __name__ == "__main__":
    sys.exit(main())
