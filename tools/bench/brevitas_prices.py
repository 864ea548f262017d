"""What Brevitas networks of digits cost with `bits=`, beside float networks quantized after training to as many bits.

python tools/bench/brevitas_prices.py [--seeds 3] [--bits 3 4 5] [--hidden 32] [--steps 60] [--write]

Both are 64-hidden-10, of the same seed and training. `bits=` are kept of sums before a lookup, in both: the Brevitas
network has quantizers of as many bits. Prices are those of compiled programs, with keys of their own. `--write` makes
docs/benchmarks/brevitas.md. Exit status 1 where a ratio is above 1.3.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path
from typing import Any

import cryptable as ct
import numpy as np
import torch
from brevitas_digits import exported, trained
from sklearn.datasets import load_digits
from torch import nn

PAGE = Path(__file__).parents[2] / "docs/benchmarks/brevitas.md"
MOST = 1.3
"""Times the price of post-training quantization: the bar."""
CALIBRATION = 900


def float_network(hidden: int, steps: int, seed: int, rows: Any, labels: Any) -> nn.Module:  # noqa: ANN401
    """Trained as `brevitas_digits.trained` does, without quantizers."""
    torch.manual_seed(seed)
    module = nn.Sequential(nn.Linear(64, hidden), nn.ReLU(), nn.Linear(hidden, 10))
    optimizer = torch.optim.Adam(module.parameters(), 0.02)
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(module(rows[:900]), labels[:900]).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return module.eval()


def compiled(model: Any, rows: Any, labels: Any, bits: int) -> tuple[ct.CompiledModel, float]:  # noqa: ANN401
    """And its accuracy on images that it was not trained on."""
    made = ct.compile(model, rows[:CALIBRATION], labels=range(10), bits=bits, show_progress=False)
    return made, float(np.mean(made.predict(rows[CALIBRATION:]) == labels[CALIBRATION:]))


def page(table: str, worst: float) -> str:
    """Markdown."""
    return f"""# Brevitas networks, priced

Written by `tools/bench/brevitas_prices.py --write`; do not edit. Networks of digits, 64-32-10: trained by Brevitas with
quantizers of as many bits as `bits=` keeps of sums, and trained in floats and quantized after training to the same
`bits=`. Prices are complexities as the crypto optimizer counts them; accuracies those of 897 images that were not
trained on.

{table}
Greatest ratio: {worst:.2f}; the bar is {MOST}.
"""


def main() -> int:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="networks of each number of bits (default: %(default)s)")
    parser.add_argument("--bits", type=int, nargs="+", default=[3, 4, 5])
    parser.add_argument("--hidden", type=int, default=32)
    parser.add_argument("--steps", type=int, default=60, help="of training (default: %(default)s)")
    parser.add_argument("--write", action="store_true", help="write the page of the documentation")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    X, y = load_digits(return_X_y=True)
    X = (X / 16).astype(np.float32)
    rows, labels = torch.tensor(X), torch.tensor(y)
    lines = [
        "| bits | seed | lookups: Brevitas | after training | price: Brevitas | after training | ratio "
        "| accuracy: Brevitas | after training |",
        "|---" * 9 + "|",
    ]
    print("\n".join(lines))
    ratios = []
    for bits in arguments.bits:
        for seed in range(arguments.seeds):
            training = (arguments.hidden, arguments.steps, seed, rows, labels)
            own = exported(trained(bits, *training), rows[:1])
            (one, right), (other, also) = (compiled(model, X, y, bits) for model in (own, float_network(*training)))
            prices = one.explain().price, other.explain().price
            ratios.append(prices[0] / prices[1])
            lines.append(
                f"| {bits} | {seed} | {one.circuit.lookups} | {other.circuit.lookups} | {prices[0]:.3g} "
                f"| {prices[1]:.3g} | {ratios[-1]:.2f} | {right:.3f} | {also:.3f} |"
            )
            print(lines[-1], flush=True)
    print(f"\ngreatest ratio {max(ratios):.2f}, median {statistics.median(ratios):.2f}; the bar is {MOST}")
    if arguments.write:
        PAGE.write_text(page("\n".join(lines) + "\n", max(ratios)), encoding="utf-8")
    return int(max(ratios) > MOST)


if __name__ == "__main__":
    raise SystemExit(main())
