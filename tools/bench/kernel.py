"""Models of trees by each path through the kernel, beside NumPy: CPU a row, its ratio, and how many answers are wrong.

python tools/bench/kernel.py                       XGBoost 100x3, 10x3 on digits, random forest 50x5; 10 rows of each
python tools/bench/kernel.py --case digits --rows 30
python tools/bench/kernel.py --json                figures for machines

Rows are evaluated by all paths in turn, in one process and thread, so that a busy machine slows all of them; figures
are medians of CPU time over rows. The paths are those that the processor has; the first line of a model is NumPy's.
At the end stands what transforms alone take by each path: how many a row has, times what one takes.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from typing import Any

import cryptable as ct
import numpy as np
from cryptable.compiled.local_session import LocalSession
from cryptable.compiled.program_folder import ProgramFolder
from cryptable_engine import interpret
from cryptable_engine.kernel import VARIABLE, kernel_state
from cryptable_engine.schemes.levelled.plans.plan import Plan
from cryptable_engine.schemes.levelled.program import LevelledProgram
from cryptable_kernel import PATHS, Ring, aligned
from cryptable_protocol import encode_rows
from cryptable_protocol.schemes.levelled.keyset import RING_SIZE, UNIVERSAL
from levelled import CASES
from rich.console import Console
from rich.table import Table
from sklearn.model_selection import train_test_split

_CASES = ("XGBoost 100x3 breast cancer", "XGBoost 10x3 digits", "random forest 50x5 synthetic")
_WARM_UP = 1
"""Rows before those that count: the first makes keys and plans ready."""
_AT_ONCE = 16
"""Polynomials that one call transforms: a call from Python takes about as long as a transform."""


def usable_paths() -> list[str]:
    """NumPy, and every path that this machine can take."""
    found = ["numpy"]
    for path in PATHS:
        os.environ[VARIABLE] = path
        if kernel_state().kernel is not None:
            found.append(path)
    return found


def measure(name: str, *, rows: int, paths: list[str]) -> dict[str, dict[str, Any]]:
    """Figures of a case, by path."""
    make, data = CASES[name]
    X, y = data()
    training, test, labels, _ = train_test_split(X, y, test_size=0.2, random_state=0)
    model = ct.compile(make().fit(training, labels), training, scheme="levelled", show_progress=False)
    artifact = model.artifact
    folder = ProgramFolder(model.circuit, artifact.compile_options, promised=artifact.client_spec.parameters)
    program = folder.program
    if not isinstance(program, LevelledProgram) or not isinstance(program.plan, Plan):
        raise SystemExit(f"{name}: not a circuit of products")
    sessions: dict[str, LocalSession] = {}
    wrong = dict.fromkeys(paths, 0)
    for path in paths:
        os.environ[VARIABLE] = "off" if path == "numpy" else path
        sessions[path] = LocalSession(artifact.client_spec, folder.program)
        sessions[path].evaluate(encode_rows(artifact.client_spec.features, test[:1]))
    for row in test[1 : rows + 1]:
        encoded = encode_rows(artifact.client_spec.features, row[None])
        expected = interpret(model.circuit, encoded)
        for path, session in sessions.items():
            wrong[path] += int((session.evaluate(encoded) != expected).any())
    found = {
        path: {
            "seconds": statistics.median(session.measured.evaluation_cpu_seconds[_WARM_UP:]),
            "rows": rows,
            "wrong": wrong[path],
            "products": model.circuit.products,
            "transforms": transforms_of(program.plan),
        }
        for path, session in sessions.items()
    }
    for session in sessions.values():
        session.close()
    return found


def transforms_of(plan: Plan) -> int:
    """Transforms of a row by the kernel, there and back, of a plan that turns no tables and keeps its selectors."""
    layout, found = plan.layout, 2  # the answer's, back
    for run in layout.runs:
        for level in range(run.depth):
            splits = max(0, min(1 << level, run.count - (1 << level)))
            found += splits * (UNIVERSAL.automorphisms[run.shift + level].levels + 2)
    selectors = layout.selector_leaves
    found += selectors * (UNIVERSAL.switch.levels + 1)  # digits of the mask, and the body
    found += 2 * (len(layout.leaf_bits) - selectors + layout.placed_polynomials)
    return found + plan.products * (2 + 2 * layout.gadget.levels)


def transforms(path: str, size: int = RING_SIZE, count: int = 2000) -> tuple[float, float]:
    """CPU microseconds of a transform and of one back, of a polynomial of `size` coefficients."""
    os.environ[VARIABLE] = path
    kernel = kernel_state().kernel
    if kernel is None:
        raise SystemExit(f"{path}: {kernel_state().reason}")
    ring = Ring(kernel, size)
    polynomials = np.random.default_rng(0).uniform(-0.5, 0.5, (_AT_ONCE, size))
    times = []
    for call in (ring.transform, ring.transform_back):
        given, results = aligned(*polynomials.shape), aligned(*polynomials.shape)
        given[:] = polynomials
        began = time.process_time()
        for _ in range(count // _AT_ONCE):
            call(given, results)
        times.append(1e6 * (time.process_time() - began) / (count // _AT_ONCE * _AT_ONCE))
    return times[0], times[1]


def main() -> int:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", default="", help="only cases whose name has this in it")
    parser.add_argument("--rows", type=int, default=10, help="of each case")
    parser.add_argument("--json", action="store_true", help="figures for machines")
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    paths = usable_paths()
    found = {name: measure(name, rows=arguments.rows, paths=paths) for name in _CASES if arguments.case in name}
    if arguments.json:
        sys.stdout.write(json.dumps(found, indent=1) + "\n")
    else:
        Console(width=120).print(_table(found))
        for path in paths[1:]:
            forward, back = transforms(path)
            sys.stdout.write(f"{path}: a transform {forward:.2f} µs, back {back:.2f} µs\n")
            for name, sides in found.items():
                count, row = sides[path]["transforms"], 1e3 * sides[path]["seconds"]
                least = count * (forward + back) / 2000
                sys.stdout.write(f"    {name}: {count} transforms, {least:.2f} ms of {row:.2f}\n")
    return 1 if any(figures["wrong"] for sides in found.values() for figures in sides.values()) else 0


def _table(found: dict[str, dict[str, dict[str, Any]]]) -> Table:
    table = Table(title="Trees by each path through the kernel", title_justify="left")
    for heading in ("model", "path", "CPU a row", "of NumPy's", "NumPy / path", "products", "wrong"):
        table.add_column(heading)
    for name, sides in found.items():
        for path, figures in sides.items():
            ratio = figures["seconds"] / sides["numpy"]["seconds"]
            table.add_row(
                name,
                path,
                f"{1e3 * figures['seconds']:.2f} ms",
                f"{ratio:.3f}",
                f"{1 / ratio:.1f}",
                str(figures["products"]),
                f"{figures['wrong']} of {figures['rows']}",
            )
    return table


if __name__ == "__main__":
    sys.exit(main())
