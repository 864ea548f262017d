"""The plots of the benchmark's report, as SVG."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "website"))
from svg import AMBER, INK, QUIET, TEAL, Drawing

LEFT, RIGHT = 330, 820


def against_peer(models: list[dict[str, Any]]) -> Drawing:
    """CPU seconds of a row, ours and Concrete ML's recorded ones, on a logarithmic axis."""
    compared = [model for model in models if model["peer"]]
    drawing = Drawing(900, 90 + 44 * len(compared), "CPU seconds of a row: Cryptable, and Concrete ML as recorded")
    low, high = -3.0, 2.5

    def place(seconds: float) -> float:
        share = (math.log10(max(seconds, 10**low)) - low) / (high - low)
        return LEFT + share * (RIGHT - LEFT)

    bottom = 62 + 44 * len(compared)
    for exponent in range(int(low), 3):
        x = place(10.0**exponent)
        drawing.line(x, 52, x, bottom, colour="#e2e8f0")
        drawing.text(x, bottom + 16, f"{10.0**exponent:g} s", size=11, colour=QUIET)
    for index, model in enumerate(compared):
        y = 58 + 44 * index
        drawing.text(LEFT - 10, y + 20, model["case"], size=13, anchor="end")
        for offset, seconds, colour in ((0, model["cpu_seconds"], TEAL), (17, model["peer"]["cpu_seconds"], AMBER)):
            drawing.bar(LEFT, y + offset, max(2.0, place(seconds) - LEFT), 15, colour)
            drawing.text(
                max(LEFT + 2, place(seconds)) + 6, y + offset + 12, f"{seconds:.2g} s", size=11, anchor="start"
            )
    _legend(drawing, (TEAL, "Cryptable"), (AMBER, "Concrete ML 1.9, recorded on another day"))
    return drawing


def growth(figures: dict[str, list[dict[str, Any]]], bare_seconds: float, price: float) -> Drawing:
    """Lookups' CPU seconds as trees, depth and features grow, three panels side by side.

    Args:
        figures: of `measure_growth`.
        bare_seconds: of one lookup of the demo model.
        price: of one lookup of the demo model.
    """
    drawing = Drawing(940, 300, "CPU seconds of a row as a model grows")
    titles = {"trees": "trees of depth 3", "depth": "depth of 20 trees", "features": "features, 20 trees of depth 3"}
    for panel, (name, title) in enumerate(titles.items()):
        points = [(point["at"], point["price"] / price * bare_seconds, point["lookups"]) for point in figures[name]]
        left, top, width, height = 60 + panel * 305, 60, 225, 175
        widest, highest = max(at for at, _, _ in points), max(seconds for _, seconds, _ in points) or 1.0
        drawing.text(left + width / 2, 36, title, size=13, bold=True)
        drawing.line(left, top + height, left + width, top + height)
        drawing.line(left, top, left, top + height)
        places = [(left + at / widest * width, top + height - seconds / highest * height) for at, seconds, _ in points]
        drawing.polyline(places, colour=TEAL)
        for (x, y), (at, _, lookups) in zip(places, points, strict=True):
            drawing.dot(x, y, TEAL)
            drawing.text(x, top + height + 16, f"{at}", size=10, colour=QUIET)
            drawing.text(x, y - 8, f"{lookups}", size=10, colour=INK)
        drawing.text(left - 6, top + 4, f"{highest:.2g} s", size=11, colour=QUIET, anchor="end")
        drawing.text(left - 6, top + height + 4, "0", size=11, colour=QUIET, anchor="end")
    drawing.text(
        20, 285, "Points are marked with their number of lookups. XGBoost.", size=11, colour=QUIET, anchor="start"
    )
    return drawing


def _legend(drawing: Drawing, *entries: tuple[str, str]) -> None:
    for index, (colour, label) in enumerate(entries):
        drawing.bar(LEFT + index * 130, 24, 12, 12, colour)
        drawing.text(LEFT + index * 130 + 18, 35, label, size=12, anchor="start")
