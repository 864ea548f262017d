"""One hundred random networks: how many compile, how others are refused, and how far circuits are from the networks.

python tools/bench/random_networks.py
python tools/bench/random_networks.py --networks 20 --compiled --json

Bars: 85 of 100 compile, the others are typed errors; scores differ by less than 0.15 of their deviation (root mean
square) at bits=5, or there is a warning. Networks are of Linear, Conv1d and Conv2d in groups and with strides, pooling,
BatchNorm, twelve activations, residual sums, concatenations, gates, one input or two; weights and rows are drawn by
--seed. They are planned and interpreted; with --compiled, crypto parameters are chosen too, which takes seconds each.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import warnings
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import cryptable as ct
import numpy as np
import torch
from cryptable.compiling.agreement import MOST_RMS
from cryptable.compiling.plan import plan
from cryptable.compiling.settings import CompileSettings
from cryptable_engine import interpret
from cryptable_protocol import CryptableError, encode_rows
from torch import nn

BITS, RMS_BAR, COMPILED_BAR = 5, 0.15, 0.85
_ROWS = 200
_ACTIVATIONS = (
    *(nn.ReLU, nn.Tanh, nn.Sigmoid, nn.GELU, nn.SiLU, nn.ELU, nn.LeakyReLU, nn.Hardswish, nn.Softplus, nn.Mish),
    *(nn.SELU, nn.ReLU6),
)


class Residual(nn.Module):
    """x + f(x)."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Of one shape."""
        summed: torch.Tensor = rows + self.inner(rows)
        return summed


class Joined(nn.Module):
    """x and f(x), side by side."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Along the channels."""
        return torch.cat([rows, self.inner(rows)], dim=1)


class Gate(nn.Module):
    """a(x) times the sigmoid of b(x)."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.gate, self.linear = nn.Linear(size, size), nn.Linear(size, size)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Of one shape."""
        gated: torch.Tensor = torch.sigmoid(self.gate(rows)) * self.linear(rows)
        return gated


class TwoInputs(nn.Module):
    """A front for each input, and a network of what both give."""

    def __init__(self, fronts: tuple[nn.Module, nn.Module], rest: nn.Module) -> None:
        super().__init__()
        self.first, self.second, self.rest = *fronts, rest

    def forward(self, one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        """Both, side by side."""
        scores: torch.Tensor = self.rest(torch.cat([self.first(one), self.second(other)], dim=1))
        return scores


@dataclass
class Outcome:
    """Of one network: `kind` is "near", "warned", "far", a typed error's name, or "raw error"."""

    seed: int
    kind: str
    layers: str
    rms: float | None = None
    lookups: int = 0
    message: str = ""


def activation(rng: random.Random) -> nn.Module:
    """One of twelve."""
    return rng.choice(_ACTIVATIONS)()


def front(rng: random.Random) -> tuple[tuple[int, ...], nn.Module]:
    """The shape of a row, and layers from it to a vector."""
    axes = rng.randint(0, 2)
    if not axes:
        size = rng.randint(3, 12)
        return (size,), nn.Sequential(nn.Linear(size, rng.randint(3, 8)), activation(rng))
    convolution, norm = ((nn.Conv1d, nn.BatchNorm1d), (nn.Conv2d, nn.BatchNorm2d))[axes - 1]
    channels = 2 * rng.randint(1, 2)
    shape = (2, *[rng.randint(6, 12 if axes == 1 else 8)] * axes)
    layers: list[nn.Module] = [
        convolution(
            2,
            channels,
            rng.choice([1, 3]),
            stride=rng.randint(1, 2),
            padding=rng.randint(0, 1),
            groups=rng.randint(1, 2),
        )
    ]
    if rng.random() < 0.6:
        layers.append(norm(channels))
    layers.append(activation(rng))
    if rng.random() < 0.3:
        inner = nn.Sequential(convolution(channels, channels, 3, padding=1), activation(rng))
        layers.append(rng.choice([Residual, Joined])(inner))
    pool = rng.choice([None, (nn.MaxPool1d, nn.MaxPool2d), (nn.AvgPool1d, nn.AvgPool2d)])
    if pool is not None:
        layers.append(pool[axes - 1](2, ceil_mode=True))
    return shape, nn.Sequential(*layers, nn.Flatten())


def drawn(seed: int) -> tuple[nn.Module, Any]:
    """A network, and rows for it."""
    rng = random.Random(seed)
    torch.manual_seed(seed)
    fronts = [front(rng) for _ in range(1 + (rng.random() < 0.2))]
    rows = [torch.randn(_ROWS, *shape) for shape, _ in fronts]
    with torch.no_grad():
        size = sum(module(part).shape[1] for (_, module), part in zip(fronts, rows, strict=True))
    layers: list[nn.Module] = []
    for kind in rng.choices(["dense", "sum", "joined", "gate", "norm"], k=rng.randint(0, 2)):
        match kind:
            case "dense":
                layers += [nn.Linear(size, 6), activation(rng)]
                size = 6
            case "sum":
                layers.append(Residual(nn.Sequential(nn.Linear(size, size), activation(rng))))
            case "joined":
                layers.append(Joined(nn.Sequential(nn.Linear(size, 4), activation(rng))))
                size += 4
            case "gate":
                layers.append(Gate(size))
            case "norm":
                layers.append(nn.BatchNorm1d(size))
    rest = nn.Sequential(*layers, nn.Linear(size, rng.randint(1, 3)))
    modules = [module for _, module in fronts]
    network = nn.Sequential(*modules, rest) if len(fronts) == 1 else TwoInputs((modules[0], modules[1]), rest)
    for _ in range(10):
        network(*rows)  # statistics of batch normalizations
    given = tuple(part.numpy() for part in rows)
    return network.eval(), given if len(given) > 1 else given[0]


def measure(seed: int, *, compiled: bool) -> Outcome:
    """Plan one network, or compile it, and compare it with itself in floats."""
    network, rows = drawn(seed)
    layers = " ".join(type(each).__name__ for each in network.modules() if not list(each.children()))
    parts = rows if isinstance(rows, tuple) else (rows,)
    with torch.no_grad():
        scores = network(*map(torch.tensor, parts)).numpy().reshape(_ROWS, -1)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            if compiled:
                model = ct.compile(network, rows, bits=BITS, scheme="bootstrapped")
                found, lookups, agreement = model.decision_function(rows), model.circuit.lookups, model.agreement
            else:
                planned = plan(network, rows, CompileSettings(bits=BITS, scheme="bootstrapped"))
                flat = np.concatenate([part.reshape(_ROWS, -1) for part in parts], axis=1)
                found = planned.decoder.decision_function(
                    interpret(planned.circuit, encode_rows(planned.features, flat))
                )
                lookups, agreement = planned.circuit.lookups, planned.agreement
    except CryptableError as error:
        return Outcome(seed, type(error).__name__, layers, message=str(error))
    except Exception as error:  # noqa: BLE001  (which is what is looked for)
        return Outcome(seed, "raw error", layers, message=f"{type(error).__name__}: {error}")
    off = np.sqrt(np.mean((np.reshape(found, scores.shape) - scores) ** 2, axis=0)).max()
    rms = float(off / scores.std(axis=0).max())
    if compiled:
        warned = any(isinstance(each.message, ct.AgreementWarning) for each in caught)
    else:  # as compile would
        warned = agreement is not None and agreement.rms is not None and agreement.rms > MOST_RMS
    kind = "near" if rms <= RMS_BAR else "warned" if warned else "far"
    return Outcome(seed, kind, layers, rms, lookups)


def main() -> int:
    """Measure and print; exit status 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0, help="of the first network")
    parser.add_argument("--compiled", action="store_true")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    seeds = range(arguments.seed, arguments.seed + arguments.networks)
    found = [measure(seed, compiled=arguments.compiled) for seed in seeds]
    able = [each for each in found if each.rms is not None]
    if arguments.json:
        print(json.dumps([asdict(each) for each in found], indent=1))
    else:
        for each in found:
            if each.kind not in ("near", "warned"):
                print(f"seed {each.seed}: {each.kind} {each.rms or ''} {each.layers}: {each.message}")
        rms = np.array([each.rms for each in able])
        print(f"{len(able)} of {len(found)} compile: {dict(Counter(each.kind for each in found))}")
        print(
            f"rms of scores: median {np.median(rms):.3f}, nine tenths below {np.quantile(rms, 0.9):.3f}, "
            f"most {rms.max():.3f}"
        )
    failed = any(each.kind in ("raw error", "far") for each in found)
    return 1 if failed or len(able) < COMPILED_BAR * len(found) else 0


if __name__ == "__main__":
    sys.exit(main())
