"""Takes results of networks.py into docs/benchmarks/networks.json, and writes the page networks.md of all there are.

python tools/bench/networks_report.py [RESULT.json ...]     what networks.py has printed

Networks that against_concrete_ml.py has measured (docs/benchmarks/against-concrete-ml.json) follow.
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import Any

from quick.report import FULL, work_of

FOLDER = Path(__file__).parents[2] / "docs/benchmarks"
NAMES = {
    "digits-mlp": "digits 8x8, fully connected 64-32-10",
    "digits-mlp-levelled": "the same, without lookups",
    "digits-cnn": "digits 8x8, convolution 3x3x8, means, linear",
    "mnist-mlp": "MNIST 28x28, fully connected 784-128-10",
    "mnist-lenet": "MNIST 28x28, two convolutions, 400-84-10",
}
HEADINGS = (
    *(
        "network",
        "scheme",
        "takes",
        "float",
        "circuit",
        "with simulated noise",
        "encrypted",
        "as the circuit: simulated",
    ),
    *("encrypted", "CPU s a row", "at fbb8020", "predicted", "keys, MB", "date, load"),
)
BEFORE = {"digits-mlp": 0.726, "digits-mlp-levelled": 0.726, "digits-cnn": 9.13, "mnist-mlp": 4.93, "mnist-lenet": 80.1}
"""CPU seconds a row at commit fbb8020, where concrete-python evaluated all lookups: by its own `networks.py`, in turn
with today's, on the machine and the day of the stored results. To measure anew, check it out beside and do the same."""


def row(case: dict[str, Any]) -> list[str]:
    """One network."""
    rows, measured, predicted = case["encrypted_rows"], case["cpu_seconds_a_row"], case["cpu_seconds_predicted"]
    before = BEFORE[case["case"]]
    takes = f"{case['products']} products" if case.get("products") else f"{case['lookups']} lookups"
    return [
        NAMES[case["case"]],
        case.get("scheme", "bootstrapped"),
        takes + (f", {case['bits']} bits" if "bits" in case else ""),
        f"{case['float_accuracy']:.4f}",
        f"{case['clear_accuracy']:.4f}",
        f"{case['simulated_accuracy']:.4f}",
        f"{case['encrypted_accuracy']:.4f} of {rows} (circuit {case['clear_accuracy_of_these']:.4f})",
        f"{case['simulated_agrees_with_clear_on_these']:.4f}",
        f"{case['encrypted_agrees_with_clear']:.4f}",
        f"{measured:.3g}",
        f"{before} ({measured / before:.2f})",
        f"{predicted:.3g} ({predicted / measured - 1:+.0%})",
        f"{case['evaluation_keys_mb']:.1f}",
        f"{case['date']}, {case['load_average']:.0f}",
    ]


def beside(cases: list[dict[str, Any]]) -> list[str]:
    """Networks that ran beside Concrete ML's."""
    if not cases:
        return []
    lines = [
        "",
        "## Beside Concrete ML, in one run",
        "",
        "`tools/bench/against_concrete_ml.py --cases network`: rows alternate between the two. How each side makes its",
        "networks is said in `tools/bench/network_sides.py`.",
        "",
        "| network | scheme | ours takes | CPU s a row, ours | theirs | ratio | lookups, theirs | score: float | ours "
        "| theirs |",
        "|---" * 10 + "|",
    ]
    for case in cases:
        ours, theirs = case["cryptable"], case["concrete-ml"]
        lines.append(
            f"| {case['case']} | {ours.get('scheme', 'bootstrapped')} | {work_of(ours)} "
            f"| {ours['cpu_seconds_median']:.3g} | {theirs['cpu_seconds_median']:.1f} | {case['ratio']:.0f} "
            f"| {theirs['lookups']} | {ours['float_score']:.3f} | {ours['score']:.3f} | {theirs['score']:.3f} |"
        )
    ratios = [case["ratio"] for case in cases]
    loads, dates = [case["about"]["load"] for case in cases], sorted({case["about"]["date"] for case in cases})
    lines += [
        "",
        f"Geometric mean of the ratios: {statistics.geometric_mean(ratios):.1f}; the smallest {min(ratios):.1f}. "
        f"*{', '.join(dates)}, load {min(loads):.0f} to {max(loads):.0f}.*",
    ]
    return lines


def page(cases: dict[str, Any], peers: list[dict[str, Any]]) -> str:
    """Markdown."""
    lines = [
        "# Networks, measured",
        "",
        "Written by `tools/bench/networks_report.py` from what `tools/bench/networks.py` printed; do not edit.",
        "Accuracies of float network, circuit and simulated noise are those of all test rows, encrypted ones of the",
        "first rows, whose labels are compared with the circuit's. CPU seconds are of client and server together, keys",
        "being in memory; the load is that of a machine with two cores, where more than two at work make CPU seconds",
        "longer too. At fbb8020 Concrete evaluated all lookups; in brackets, the part of that which is left.",
        "",
        "| " + " | ".join(HEADINGS) + " |",
        "|---" * len(HEADINGS) + "|",
    ]
    lines += ["| " + " | ".join(row(cases[name])) + " |" for name in NAMES if name in cases]
    return "\n".join([*lines, *beside(peers)]) + "\n"


def main() -> None:
    """Take results, write the page."""
    stored = FOLDER / "networks.json"
    cases: dict[str, Any] = json.loads(stored.read_text("utf-8")) if stored.is_file() else {}
    for path in sys.argv[1:]:
        result = json.loads(Path(path).read_text("utf-8"))
        cases[result["case"]] = result
    stored.write_text(json.dumps(cases, indent=1, sort_keys=True) + "\n", "utf-8")
    peers = json.loads((FOLDER / FULL).read_text("utf-8")) if (FOLDER / FULL).is_file() else []
    measured = [case for case in peers if "network" in case["case"] and "scheme" in case["cryptable"]]
    (FOLDER / "networks.md").write_text(page(cases, measured), "utf-8")


if __name__ == "__main__":
    main()
