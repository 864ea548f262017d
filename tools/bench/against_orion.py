"""Networks of squares on one encrypted row beside Orion v2 (CKKS) on the same shapes: CPU, keys, memory.

    python tools/bench/against_orion.py --mnist FOLDER [--rows 5] [--shapes 784-128-10 ...]

Orion v2 (orion-v2-compiler, orion-v2-evaluator) is installed into build/orion, an environment of its own, when first
needed (6 GB). Its networks have random weights and primes of the bits of its own examples; ours are trained on MNIST,
of which FOLDER has what examples/mnist/data.py writes. A row is evaluated by a process that has only the model, the
keys and the row; CPU is the median of its rows, one thread, memory the most that it held. Run it alone.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from environments import find_uv

HERE = Path(__file__).resolve().parent
ENVIRONMENT = HERE.parents[1] / "build/orion"
SHAPES = ("784-128-10", "784-128-128-10", "8x5x5-100-10")
PACKAGES = ("orion-v2-compiler==2.1.8", "orion-v2-evaluator==2.1.8")
FIELDS = (
    ("CPU of a row, ms", "cpu", 1e3, "{:.0f}"),
    ("keys, MB", "keys", 1e-6, "{:.1f}"),
    ("memory, MB", "memory", 1e-6, "{:.0f}"),
    ("a row up, kB", "up", 1e-3, "{:.0f}"),
    ("down, kB", "down", 1e-3, "{:.0f}"),
    ("key generation, CPU s", "key_seconds", 1.0, "{:.2f}"),
    ("bits of primes", "log2_modulus", 1.0, "{:.0f}"),
    ("off by", "off", 1.0, "{:.2g}"),
    ("of scores up to", "largest", 1.0, "{:.3g}"),
)


def orion_python() -> str:
    """The interpreter that has Orion, made if need be."""
    python = ENVIRONMENT / "bin/python"
    if not python.exists():
        print("installing Orion v2 into build/orion (6 GB)", file=sys.stderr)
        uv = find_uv()
        subprocess.run([uv, "venv", "--quiet", "--python", "3.11", str(ENVIRONMENT)], check=True)
        # Outside the repository, whose own settings for uv would keep torch out.
        command = [uv, "pip", "install", "--quiet", "--no-config", "--python", str(python), *PACKAGES]
        subprocess.run(command, check=True, cwd=ENVIRONMENT)
    return str(python)


def ask(python: str, script: str, *arguments: str) -> dict[str, Any]:
    """What a job prints last; one thread, of Go's too."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GOMAXPROCS": "1"}
    command = [python, "-W", "ignore", str(HERE / script), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise RuntimeError(f"{script} {' '.join(arguments)}:\n{done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(python: str, script: str, shape: str, rows: int, *more: str) -> dict[str, Any]:
    """One side of one shape."""
    with tempfile.TemporaryDirectory() as folder:
        found = ask(python, script, "prepare", shape, folder, *more)
        found |= ask(python, script, "serve", shape, folder, str(rows))
        found |= ask(python, script, "read", shape, folder)
    return {**found, "cpu": statistics.median(found["cpu_seconds"])}


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mnist", type=Path, required=True, metavar="FOLDER", help="where mnist.npz is")
    parser.add_argument("--rows", type=int, default=5, help="evaluations of a row, a side")
    parser.add_argument("--epochs", type=int, help="of training, fewer than usual: accuracy alone depends on them")
    parser.add_argument("--shapes", nargs="*", choices=SHAPES, default=SHAPES)
    parser.add_argument("--orion", metavar="PYTHON", help="an interpreter that has Orion already")
    asked = parser.parse_args()
    theirs = asked.orion or orion_python()
    trained_on = [str(asked.mnist.resolve()), *([] if asked.epochs is None else [str(asked.epochs)])]
    print("| shape | side | " + " | ".join(label for label, *_ in FIELDS) + " |")
    print("|---" * (2 + len(FIELDS)) + "|")
    for shape in asked.shapes:
        sides = {
            "squares": measure(sys.executable, "squares_side.py", shape, asked.rows, *trained_on),
            "Orion v2": measure(theirs, "orion_side.py", shape, asked.rows),
        }
        for name, found in sides.items():
            cells = [form.format(found[field] * factor) for _, field, factor, form in FIELDS]
            print(f"| {shape} | {name} | " + " | ".join(cells) + " |", flush=True)
        print(f"accuracy {sides['squares']['accuracy']:.4f}, {sides['squares']['moduli']} moduli", file=sys.stderr)


if __name__ == "__main__":
    main()
