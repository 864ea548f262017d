"""Networks of one hidden layer, levelled, beside another commit's bootstrapped scheme: rows in turn, in one run.

    python tools/bench/one_layer_beside.py --beside FOLDER [--rows 100] [--timed 15] [--cases TEXT ...] [--json FILE]

FOLDER is a checkout of the other commit in which `make setup` was run; docs/benchmarks/levelled.md has fbb8020. Each
side is a process: ours in NumPy alone, ours with the kernel, the other one with its own defaults, and with a
probability of failure of 2^-128 instead of its 2^-40. Rows alternate between all of them, so all meet the same noise of
the machine. Of each row: the CPU of its evaluation, and of client and server together, keys being in memory; ratios are
of medians, the other's to ours. After the rows that are timed, ours with the kernel goes on to the number of --rows.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from measured_with import about

SIDE = Path(__file__).with_name("one_layer_side.py")
CASES = ("breast cancer 30-16-1", "digits 64-32-10")
LEVELLED: dict[str, Any] = {"scheme": "levelled"}
MATCHED: dict[str, Any] = {"p_error": 2.0**-128}
Ask: TypeAlias = Callable[..., dict[str, Any]]


@dataclass
class Side:
    """What a side is called, how it compiles and with which environment, and what it has measured.

    `facts` are what it said when it was ready, or {"refusal": why it cannot}.
    """

    name: str
    options: dict[str, Any]
    timed: int
    kernel: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)

    def median(self, what: str) -> float:
        """CPU seconds of a row, of those that all sides evaluated in turn."""
        seconds: list[float] = [row[what] for row in self.rows[: self.timed]]
        return statistics.median(seconds)


@contextmanager
def running(python: str, kernel: str | None) -> Iterator[Ask]:
    """A process that answers requests; yields the function that asks it."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **({} if kernel is None else {"CRYPTABLE_KERNEL": kernel})}
    pipe = subprocess.PIPE
    command = [python, "-W", "ignore", str(SIDE)]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment) as process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the side's pipes are closed")
        given, taken = process.stdin, process.stdout

        def ask(**request: object) -> dict[str, Any]:
            given.write(json.dumps(request) + "\n")
            given.flush()
            answer: dict[str, Any] = json.loads(taken.readline() or '{"refusal": "the side has ended"}')
            return answer

        try:
            yield ask
        finally:
            process.kill()


def measure(case: str, other: str, rows: int, timed: int) -> list[Side]:
    """All sides of one case."""
    sides = [
        Side("levelled, NumPy", LEVELLED, timed, "off"),
        Side("levelled, kernel", LEVELLED, timed),
        Side("the other, its defaults", {}, timed),
        Side("the other, 2^-128", MATCHED, timed),
    ]
    with ExitStack() as stack:
        asked: list[tuple[Side, Ask]] = []
        for side in sides:
            python = sys.executable if side.options is LEVELLED else other
            ask = stack.enter_context(running(python, side.kernel))
            side.facts = ask(do="prepare", case=case, module=side.options is not LEVELLED, options=side.options)
            if "refusal" not in side.facts:
                asked.append((side, ask))
        for index in range(rows):
            for side, ask in asked:
                if index < timed or (side.options is LEVELLED and side.kernel is None):
                    side.rows.append(ask(do="row", index=index))
    return sides


def table(case: str, sides: list[Side]) -> list[str]:
    """Lines of Markdown; the ratios are those to each of the other's sides that ran."""
    lines = []
    others = [side for side in sides if side.options is not LEVELLED and side.rows]
    for side in sides:
        if not side.rows:
            lines.append(f"| {case} | {side.name} | {side.facts['refusal']} | | | | | | | | |")
            continue
        facts, exact = side.facts, sum(row["as_clear"] for row in side.rows)
        ratios = [f"{each.median('all') / side.median('all'):.2f}" for each in others]
        figures = [
            facts["takes"],
            f"{1000 * side.median('server'):.0f}",
            f"{1000 * side.median('all'):.0f}",
            *(ratios if side.options is LEVELLED else ["" for _ in others]),
            f"{facts['up'] / 1000:.1f}",
            f"{facts['down'] / 1000:.1f}",
            f"{facts['labels']:.4f} of {facts['test_rows']}",
            f"{exact} of {len(side.rows)}",
        ]
        lines.append(f"| {case} | {side.name} | {' | '.join(figures)} |")
    return lines


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--beside", type=Path, required=True, metavar="FOLDER", help="a checkout of the other commit")
    parser.add_argument("--rows", type=int, default=100, help="encrypted by the kernel (default: %(default)s)")
    parser.add_argument("--timed", type=int, default=15, help="encrypted by each side, in turn (default: %(default)s)")
    parser.add_argument("--cases", nargs="*", default=[""], metavar="TEXT", help="only cases whose name holds TEXT")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all figures there")
    given = parser.parse_args()
    other = given.beside / ".venv/bin/python"
    if not other.exists():
        parser.error(f"{given.beside} has no .venv: run `make setup` there")
    print(
        "| network | side | takes | CPU ms of a row: evaluation | with the client | times less than its defaults "
        "| than its 2^-128 | kB up | down | labels as the network's | scores as in the clear |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    figures = []
    for case in (case for case in CASES if any(text in case for text in given.cases)):
        sides = measure(case, str(other), given.rows, given.timed)
        figures.append({"case": case, "about": about(), "sides": [vars(side) for side in sides]})
        print("\n".join(table(case, sides)), flush=True)
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
