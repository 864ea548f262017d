"""Writes the benchmark's report, and the table in the README, from the figures that `make bench` has measured.

python tools/bench/render.py           write them
python tools/bench/render.py --check   exit with 1 where what is committed differs
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from quick.report import report_files, summary

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from generated_files import ROOT, only_check, write_or_check

FIGURES = ROOT / "docs/benchmarks/quick.json"
TABLE = re.compile(r"(<!-- table of the benchmark -->\n).*?(<!-- end -->)", re.DOTALL)


def render(*, check: bool) -> int:
    """Write or compare; returns the exit status."""
    figures = json.loads(FIGURES.read_text(encoding="utf-8"))
    expected = {FIGURES.with_name(name): text for name, text in report_files(figures, FIGURES.parent).items()}
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    expected[readme] = TABLE.sub(lambda found: found[1] + summary(figures) + found[2], text)
    return write_or_check(expected, check=check, source="the figures")


def main() -> int:
    """Run the command line."""
    return render(check=only_check(__doc__))


if __name__ == "__main__":
    sys.exit(main())
