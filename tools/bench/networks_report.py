"""Takes results of networks.py into docs/benchmarks/networks.json, and writes the page networks.md of all there are.

python tools/bench/networks_report.py [RESULT.json ...]     what networks.py has printed
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "docs/benchmarks"
NAMES = {
    "digits-mlp": "digits 8x8, fully connected 64-32-10",
    "digits-cnn": "digits 8x8, convolution 3x3x8, means, linear",
    "mnist-mlp": "MNIST 28x28, fully connected 784-128-10",
    "mnist-lenet": "MNIST 28x28, two convolutions, 400-84-10",
}
HEADINGS = (
    *("network", "lookups", "float", "circuit", "with simulated noise", "encrypted", "as the circuit: simulated"),
    *("encrypted", "CPU s a row", "predicted", "keys, MB", "date, load"),
)


def row(case: dict[str, Any]) -> list[str]:
    """One network."""
    rows, measured, predicted = case["encrypted_rows"], case["cpu_seconds_a_row"], case["cpu_seconds_predicted"]
    return [
        NAMES[case["case"]],
        f"{case['lookups']}, {case['bits']} bits",
        f"{case['float_accuracy']:.4f}",
        f"{case['clear_accuracy']:.4f}",
        f"{case['simulated_accuracy']:.4f}",
        f"{case['encrypted_accuracy']:.4f} of {rows} (circuit {case['clear_accuracy_of_these']:.4f})",
        f"{case['simulated_agrees_with_clear_on_these']:.4f}",
        f"{case['encrypted_agrees_with_clear']:.4f}",
        f"{measured:.2f}",
        f"{predicted:.2f} ({predicted / measured - 1:+.0%})",
        f"{case['evaluation_keys_mb']:.1f}",
        f"{case['date']}, {case['load_average']:.0f}",
    ]


def page(cases: dict[str, Any]) -> str:
    """Markdown."""
    lines = [
        "# Networks, measured",
        "",
        "Written by `tools/bench/networks_report.py` from what `tools/bench/networks.py` printed; do not edit.",
        "Accuracies of float network, circuit and simulated noise are those of all test rows, encrypted ones of the",
        "first rows, whose labels are compared with the circuit's. CPU seconds are of client and server together, keys",
        "being in memory; the load is that of a machine with two cores, where more than two at work make CPU seconds",
        "longer too.",
        "",
        "| " + " | ".join(HEADINGS) + " |",
        "|---" * len(HEADINGS) + "|",
    ]
    lines += ["| " + " | ".join(row(cases[name])) + " |" for name in NAMES if name in cases]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Take results, write the page."""
    stored = FOLDER / "networks.json"
    cases: dict[str, Any] = json.loads(stored.read_text("utf-8")) if stored.is_file() else {}
    for path in sys.argv[1:]:
        result = json.loads(Path(path).read_text("utf-8"))
        cases[result["case"]] = result
    stored.write_text(json.dumps(cases, indent=1, sort_keys=True) + "\n", "utf-8")
    (FOLDER / "networks.md").write_text(page(cases), "utf-8")


if __name__ == "__main__":
    main()
