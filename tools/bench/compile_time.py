"""How long a large forest takes to compile: 100 trees of depth 10, leaves unlimited; CPU seconds and peak memory.

python tools/bench/compile_time.py            bars: 60 s of wall clock and 4 GB, for planning and crypto parameters
python tools/bench/compile_time.py --trees 20 --json

Memory is the larger of this process's peak and that of the compiling child process. Training is not counted.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from typing import Any

import cryptable as ct
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier

SECONDS_BAR, MEMORY_BAR = 60.0, 4e9


def measure(*, trees: int, depth: int) -> dict[str, Any]:
    """Train and compile one forest."""
    X, y = make_classification(5000, 30, random_state=0)
    estimator = RandomForestClassifier(n_estimators=trees, max_depth=depth, random_state=0).fit(X, y)
    wall, cpu = time.monotonic(), _cpu_seconds()
    model = ct.compile(estimator, X, scheme="bootstrapped")
    wall, cpu = time.monotonic() - wall, _cpu_seconds() - cpu
    facts = model.explain().to_dict()
    kilobytes = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return {
        "trees": trees,
        "depth": depth,
        "leaves": sum(int(member.tree_.n_leaves) for member in estimator.estimators_),
        "lookups": facts["lookups"],
        "table_bits": facts["table_bits"],
        "input_elements": facts["input_elements"],
        "output_bits": facts["output_bits"],
        "price": facts["price"],
        "cpu_seconds_predicted": facts["cpu_seconds_predicted"],
        "wall_seconds": wall,
        "cpu_seconds": cpu,
        "peak_bytes": kilobytes * 1024,
    }


def _cpu_seconds() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def main() -> int:
    """Measure and print; exit status 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trees", type=int, default=100)
    parser.add_argument("--depth", type=int, default=10)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    result = measure(trees=arguments.trees, depth=arguments.depth)
    if arguments.json:
        print(json.dumps(result, indent=2))
    else:
        for name, value in result.items():
            print(f"{name:22} {value:.4g}" if isinstance(value, float) else f"{name:22} {value}")
    return 0 if result["wall_seconds"] <= SECONDS_BAR and result["peak_bytes"] <= MEMORY_BAR else 1


if __name__ == "__main__":
    raise SystemExit(main())
