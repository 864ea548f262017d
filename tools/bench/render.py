"""Writes the benchmark's report, and the table in the README, from the figures that `make bench` has measured.

python tools/bench/render.py           write them
python tools/bench/render.py --check   exit with 1 where what is committed differs
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path

from quick.report import report_files, summary

ROOT = Path(__file__).resolve().parents[2]
FIGURES = ROOT / "docs/benchmarks/quick.json"
TABLE = re.compile(r"(<!-- table of the benchmark -->\n).*?(<!-- end -->)", re.DOTALL)


def render(*, check: bool) -> int:
    """Write or compare; returns the exit status."""
    figures = json.loads(FIGURES.read_text(encoding="utf-8"))
    expected = {FIGURES.with_name(name): text for name, text in report_files(figures, FIGURES.parent).items()}
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    expected[readme] = TABLE.sub(lambda found: found[1] + summary(figures) + found[2], text)
    status = 0
    for path, content in expected.items():
        if not check:
            path.write_text(content, encoding="utf-8")
        elif not path.is_file() or path.read_text(encoding="utf-8") != content:
            print(f"{path.relative_to(ROOT)} is not what the figures say: run `make generate`", file=sys.stderr)
            status = 1
    return status


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare only")
    return render(check=parser.parse_args().check)


if __name__ == "__main__":
    sys.exit(main())
