"""Numbers that links make of scores, for protos/vectors/links.json: e^x, and probabilities, every bit of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from cryptable_protocol.encoding.exponential import exponential
from cryptable_protocol.encoding.links import Link, probabilities_of

_SEED = 0
_RANDOM = 40


def figures() -> dict[str, Any]:
    """Numbers are written by their shortest digits, which tell a double from every other."""
    rng = np.random.default_rng(_SEED)
    ends = [-745.13, -745.14, -744.0, -708.5, -708.0, 709.78, 709.79, 1e300, -1e300, 0.0, 1.0, -1.0, 5e-324, 1e-17]
    halves = [(k + 0.5) * math.log(2.0) for k in (-1074.0, -1.0, 0.0, 1.0, 1022.0)]
    scores = [*ends, *halves, *rng.uniform(-1.0, 1.0, _RANDOM), *rng.uniform(-745.0, 709.0, _RANDOM)]
    made = exponential(np.array(scores, np.float64))
    return {
        "exponentials": [
            # JSON has no infinity.
            {"x": float(x), "e^x": float(y) if math.isfinite(y) else None}
            for x, y in zip(scores, made, strict=True)
        ],
        "probabilities": [
            {"link": link.name, "scores": row.tolist(), "probabilities": _probabilities(link, row)}
            for link in (Link.SIGMOID, Link.SOFTMAX)
            for count in (1, 2, 3, 10, 33)
            for row in rng.normal(scale=3.0, size=(2, count))
        ],
    }


def _probabilities(link: Link, scores: np.ndarray[Any, np.dtype[np.float64]]) -> list[float]:
    rows = scores[None]
    found: list[float] = probabilities_of(link, rows[:, 0] if len(scores) == 1 else rows)[0].tolist()
    return found
