"""What compiling convolutional networks for 3x32x32 pixels takes: a LeNet and a ResNet-8 of width 16.

python tools/bench/convolutions.py               bars: 60 s and 120 s of CPU, 4 GB
python tools/bench/convolutions.py --network lenet --json

CPU seconds are those of this process and of the compiling child process together, memory is the larger one's peak.
Weights are random and statistics those of the calibration data, 100 smooth images of 8-bit pixels: what is measured
does not depend on them.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
import warnings
from typing import Any

import cryptable as ct
import numpy as np
import torch
from torch import nn

SECONDS_BARS, MEMORY_BAR = {"lenet": 60.0, "resnet8": 120.0}, 4e9
WIDTH = 16


class Block(nn.Module):
    """Two convolutions of 3x3, and what goes by them."""

    def __init__(self, given: int, channels: int, stride: int) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(given, channels, 3, stride, 1), nn.Conv2d(channels, channels, 3, 1, 1)
        self.after_first, self.after_second = nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)
        same = given == channels and stride == 1
        self.past = nn.Identity() if same else nn.Conv2d(given, channels, 1, stride)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """The sum, rectified."""
        hidden = torch.relu(self.after_first(self.first(rows)))
        return torch.relu(self.after_second(self.second(hidden)) + self.past(rows))


def network(name: str) -> nn.Module:
    """One of the two."""
    if name == "resnet8":
        return nn.Sequential(
            nn.Conv2d(3, WIDTH, 3, 1, 1),
            nn.BatchNorm2d(WIDTH),
            nn.ReLU(),
            Block(WIDTH, WIDTH, 1),
            Block(WIDTH, 2 * WIDTH, 2),
            Block(2 * WIDTH, 4 * WIDTH, 2),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(4 * WIDTH, 10),
        )
    pooled = [nn.Conv2d(3, 6, 5), nn.ReLU(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.AvgPool2d(2)]
    dense = [nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)]
    return nn.Sequential(*pooled, nn.Flatten(), *dense)


def images() -> Any:  # noqa: ANN401
    """Blocks of color, with noise."""
    rng = np.random.default_rng(0)
    smooth = np.kron(rng.uniform(0, 1, (100, 3, 8, 8)), np.ones((1, 1, 4, 4)))
    pixels = np.clip(np.rint(255 * (smooth + rng.normal(0, 0.1, smooth.shape))), 0, 255)
    return (pixels / 255).astype(np.float32)


def measure(name: str) -> dict[str, Any]:
    """Compile one network."""
    torch.manual_seed(0)
    rows, module = images(), network(name)
    for _ in range(5):
        module(torch.tensor(rows))  # statistics of batch normalizations
    wall, cpu = time.monotonic(), _cpu_seconds()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its price, and of how far 4 bits are from it
        model = ct.compile(module.eval(), rows)
    wall, cpu = time.monotonic() - wall, _cpu_seconds() - cpu
    facts = model.explain().to_dict()
    kilobytes = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return {
        "network": name,
        "lookups": facts["lookups"],
        "price": facts["price"],
        "cpu_seconds_predicted": facts["cpu_seconds_predicted"],
        "circuit_bytes": len(model.circuit.to_bytes()),
        "rms": None if model.agreement is None else model.agreement.rms,
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
    parser.add_argument("--network", choices=list(SECONDS_BARS), help="one of them alone")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    found = [measure(name) for name in ([arguments.network] if arguments.network else SECONDS_BARS)]
    if arguments.json:
        print(json.dumps(found, indent=1))
    for each in () if arguments.json else found:
        print(
            f"{each['network']}: {each['lookups']} lookups, about {each['cpu_seconds_predicted']:.0f} s a row; "
            f"compiled in {each['cpu_seconds']:.0f} s of CPU ({each['wall_seconds']:.0f} s), "
            f"{each['peak_bytes'] / 1e9:.1f} GB, "
            f"circuit of {each['circuit_bytes'] / 1e6:.2f} MB, rms {each['rms']:.2f} of the scores' deviation"
        )
    kept = all(e["cpu_seconds"] <= SECONDS_BARS[e["network"]] and e["peak_bytes"] <= MEMORY_BAR for e in found)
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
