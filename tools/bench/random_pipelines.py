"""Sixty random scikit-learn pipelines over mixed frames: how many compile, and whether any scores otherwise.

python tools/bench/random_pipelines.py [--count 60] [--first 0]

Prints each refusal and each pipeline that is off by more than its bound, then the counts; exit status 1 where one is
wrong or fewer than nine of ten compile. The tests try a few of them.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

SUPPORT = Path(__file__).resolve().parents[2] / "packages/dev/tests/support"


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--first", type=int, default=0, help="seed of the first")
    options = parser.parse_args()
    sys.path.insert(0, str(SUPPORT))
    pipelines = importlib.import_module("random_pipelines")
    tried = []
    for seed in range(options.first, options.first + options.count):
        each = pipelines.attempt(seed)
        tried.append(each)
        if each.refusal is not None or each.error > 1:
            print(seed, each.refusal or f"off by {each.error:.3g} times its bound: {each.pipeline}")
    met, compiled, wrong = pipelines.summary(tried)
    print(f"{compiled} of {len(tried)} compile, {len(wrong)} are wrong")
    print(", ".join(f"{name} {count}" for name, count in sorted(met.items())))
    return int(bool(wrong) or compiled < 0.9 * len(tried))


if __name__ == "__main__":
    sys.exit(main())
