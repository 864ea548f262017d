"""Trees and networks on encrypted rows, ours and Concrete ML's side by side: CPU seconds a row, lookups, scores.

    python tools/bench/against_concrete_ml.py [--rows 2] [--cases 20x3 ...] [--json FILE]

Concrete ML 1.9 is installed into build/concrete-ml, an environment of its own, when first needed (6 GB). Each side
trains with its own libraries on the same data. Rows alternate between the two, so both meet the same noise of the
machine; a row's time holds encoding, encryption, evaluation and decryption, the keys being in memory. Ours, which take
milliseconds, are evaluated five at a time. Trees are compiled with scheme="auto"; networks as network_sides.py says.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from concrete_ml_side import CASES
from environments import find_uv
from measured_with import about
from quick.report import work_of

ROOT = Path(__file__).resolve().parent.parent.parent
ENVIRONMENT = ROOT / "build/concrete-ml"
SIDE = Path(__file__).with_name("concrete_ml_side.py")
AT_ONCE = {"cryptable": 5, "concrete-ml": 1}
"""Rows of a side before it is the other's turn."""


def concrete_ml_python() -> str:
    """The interpreter that has Concrete ML, made if need be."""
    python = ENVIRONMENT / "bin/python"
    if not python.exists():
        print("installing Concrete ML 1.9 into build/concrete-ml (6 GB)", file=sys.stderr)
        uv = find_uv()
        subprocess.run([uv, "venv", "--quiet", "--python", "3.11", str(ENVIRONMENT)], check=True)
        packages = ["concrete-ml==1.9.0", "setuptools<81"]
        # Outside the repository, whose own settings for uv would keep torch out.
        command = [uv, "pip", "install", "--quiet", "--no-config", "--python", str(python), *packages]
        subprocess.run(command, check=True, cwd=ENVIRONMENT)
    return str(python)


@contextmanager
def side(python: str) -> Iterator[Any]:
    """A process that answers requests; yields the function that asks it."""
    process = subprocess.Popen(
        [python, "-W", "ignore", str(SIDE)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )

    def ask(**request: object) -> dict[str, Any]:
        if process.stdin is None or process.stdout is None or process.stderr is None:
            raise RuntimeError("the side's pipes are closed")
        process.stdin.write(json.dumps(request) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"{python} ended:\n{process.stderr.read()[-3000:]}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    with process:
        try:
            yield ask
        finally:
            process.kill()


def measure(case: str, rows: int) -> dict[str, Any]:
    """Both sides of one case."""
    with side(sys.executable) as ours, side(concrete_ml_python()) as theirs:
        asked = {"cryptable": ours, "concrete-ml": theirs}
        result: dict[str, Any] = {"case": case}
        for name, ask in asked.items():
            result[name] = {**ask(do="prepare", case=case, side=name), "cpu_seconds": []}
        for turn in range(rows):
            for name, ask in asked.items():
                for index in range(turn * AT_ONCE[name], (turn + 1) * AT_ONCE[name]):
                    result[name]["cpu_seconds"].append(ask(do="row", index=index)["cpu_seconds"])
    for name in asked:
        result[name]["cpu_seconds_median"] = statistics.median(result[name]["cpu_seconds"])
    result["ratio"] = result["concrete-ml"]["cpu_seconds_median"] / result["cryptable"]["cpu_seconds_median"]
    return result


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2, help="rows a side and case (default: %(default)s)")
    parser.add_argument("--cases", nargs="*", default=[""], metavar="TEXT", help="only cases whose name holds TEXT")
    parser.add_argument(
        "--json",
        type=Path,
        metavar="FILE",
        help="also write all figures there; those of cases that are not measured again stay",
    )
    arguments = parser.parse_args()
    chosen = [case for case in CASES if any(text in case for text in arguments.cases)]
    print("| case | CPU s a row, ours | theirs | ratio | ours takes | lookups, theirs | score: float | ours | theirs |")
    print("|---|---|---|---|---|---|---|---|---|")
    results: dict[str, dict[str, Any]] = {}
    if arguments.json and arguments.json.is_file():
        results = {result["case"]: result for result in json.loads(arguments.json.read_text(encoding="utf-8"))}
    for case in chosen:
        result = results[case] = {**measure(case, arguments.rows), "about": about()}
        if arguments.json:  # after each: a case takes minutes
            kept = [results[name] for name in CASES if name in results]
            arguments.json.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
        ours, theirs = result["cryptable"], result["concrete-ml"]
        print(
            f"| {case} | {ours['cpu_seconds_median']:.3g} | {theirs['cpu_seconds_median']:.1f} | {result['ratio']:.0f} "
            f"| {work_of(ours)} | {theirs['lookups']} "
            f"| {ours['float_score']:.3f} | {ours['score']:.3f} | {theirs['score']:.3f} |",
            flush=True,
        )
    ratios = [results[case]["ratio"] for case in chosen]
    lost = max(
        each["cryptable"]["float_score"] - each["cryptable"]["score"] for each in (results[case] for case in chosen)
    )
    print(
        f"\ngeometric mean of the ratios: {statistics.geometric_mean(ratios):.1f}; smallest: {min(ratios):.1f}; "
        f"at most {100 * lost:.2f} points below the float model"
    )


if __name__ == "__main__":
    main()
