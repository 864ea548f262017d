"""The quick benchmark: our models against the bare lookups, against recorded figures of Concrete ML, and as they grow.

    python tools/bench/bench.py            measure all, then write docs/benchmarks
    python tools/bench/bench.py --only models efficiency

Takes less than ten minutes of two quiet cores. Figures of a section that is not measured again stay as they are;
tools/bench/render.py writes the report from what is there.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from typing import Any

from measured_with import about
from quick.efficiency import measure_efficiency
from quick.footprint import measure_footprint
from quick.growth import measure_growth
from quick.keys import measure_keys
from quick.models import measure_models
from render import FIGURES, render

SECTIONS: dict[str, Callable[[int], Any]] = {
    "efficiency": lambda _: measure_efficiency(),
    "models": lambda rows: list(measure_models(rows)),
    "growth": lambda _: measure_growth(),
    "keys": lambda _: measure_keys(),
    "footprint": lambda _: measure_footprint(),
}


def main() -> int:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS), help="sections to measure")
    parser.add_argument("--rows", type=int, default=2, help="rows to evaluate under encryption a model")
    options = parser.parse_args()
    FIGURES.parent.mkdir(exist_ok=True)
    figures = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.is_file() else {}
    if set(options.only) == set(SECTIONS):
        figures.pop("caution", None)  # what is said of figures that are about to be replaced
    for name in options.only:
        print(f"measuring: {name}", file=sys.stderr, flush=True)
        figures[name] = {"about": about(), "figures": SECTIONS[name](options.rows)}
        FIGURES.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print(f"written: {FIGURES.parent.relative_to(FIGURES.parents[2])}")
    return render(check=False)


if __name__ == "__main__":
    sys.exit(main())
